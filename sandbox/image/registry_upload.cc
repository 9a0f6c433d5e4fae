#include "sandbox/image/registry_upload.h"

#include <algorithm>
#include <charconv>
#include <thread>

#include "sandbox/base/error.h"
#include "sandbox/base/sys.h"
#include "sandbox/image/registry_error.h"

namespace sandbox::image {
namespace {

constexpr std::uint64_t kChunk = 16U << 20;  // Where a registry, or a proxy before it, takes no more at once.
constexpr long kBadRequest = 400, kNotFound = 404, kTooLarge = 413, kRangeNotSatisfiable = 416;

// Begun with one request for the whole; only what that leaves is sent in parts.
class Uploader {
 public:
  Uploader(RegistryClient& client, const Upload& upload) : client_(client), upload_(upload) {}

  SentBlob run() {
    if (is_there()) return {Sent::present, {}};
    open_file();
    for (const std::string& repository : upload_.elsewhere) {
      if (mount_from(repository)) return {Sent::mounted, repository};
    }
    if (session_.empty()) begin();
    send_all();
    return {Sent::uploaded, {}};
  }

 private:
  bool is_there() {
    const HttpResponse answer = client_.send({"HEAD", client_.url_of("blobs/" + upload_.blob.digest), {}});
    if (answer.ok()) return true;
    if (answer.failure == HttpFailure::none && answer.status == kNotFound) return false;
    client_.refuse(answer);
  }

  void open_file() {
    file_ = sys::openat(AT_FDCWD, upload_.path.c_str(), O_RDONLY) | or_throw("opening '{}'", upload_.path);
    const auto status = sys::fstat(file_.get()) | or_throw("reading the size of '{}'", upload_.path);
    if (static_cast<std::uint64_t>(status.st_size) == upload_.blob.size) return;
    throw InvalidInput(fmt::format("blob {} has {} bytes, not the {} of its descriptor", upload_.blob.digest,
                                   status.st_size, upload_.blob.size));
  }

  // 201: done. 202: the registry would rather have it sent, and has begun with that. Anything else: it can't mount.
  bool mount_from(const std::string& repository) {
    if (!session_.empty()) return false;
    const Url url =
        client_.url_of("blobs/uploads/").with_query("mount", upload_.blob.digest).with_query("from", repository);
    const HttpResponse answer = client_.send({"POST", url, {}});
    if (answer.ok() && answer.status == 201) return true;
    if (answer.ok()) remember(url, answer);
    return false;
  }

  void begin() {
    const Url url = client_.url_of("blobs/uploads/");
    const HttpResponse answer = client_.send({"POST", url, {}});
    if (!answer.ok()) client_.refuse(answer);
    remember(url, answer);
    offset_ = 0;
  }

  void remember(const Url& from, const HttpResponse& answer) {
    if (!answer.header("location").empty()) session_ = client_.location(from, answer).text();
    if (session_.empty()) throw InvalidInput("the registry has begun an upload without saying where");
    std::uint64_t least = 0;
    const std::string said = answer.header("oci-chunk-min-length");
    std::from_chars(said.data(), said.data() + said.size(), least);
    chunk_ = std::max(chunk_, std::min(least, upload_.blob.size));
  }

  void send_all() {
    int attempt = 0;
    for (;;) {
      const std::uint64_t before = offset_;
      const HttpResponse answer = send_next();
      if (answer.ok() && done_) return;
      if (answer.ok()) {
        attempt = 0;
        continue;
      }
      if (answer.failure == HttpFailure::none && answer.status == kTooLarge && !in_chunks_) {
        in_chunks_ = true;
      } else if (!is_recoverable(answer)) {
        client_.refuse(answer);
      }
      const auto delay = back_off(answer, attempt);
      if (attempt++ == most_retries || delay.count() < 0) client_.refuse(answer);
      std::this_thread::sleep_for(delay);
      if (find_out()) return;
      if (offset_ > before) attempt = 0;
    }
  }

  // A part at the wrong place, or a whole whose digest is wrong since parts of it came twice after a cut: both mend
  // when the registry is asked.
  bool is_recoverable(const HttpResponse& answer) {
    if (is_worth_retrying(answer)) return true;
    if (answer.failure != HttpFailure::none) return false;
    if (answer.status == kBadRequest && resumed_) session_.clear();
    return answer.status == kRangeNotSatisfiable || answer.status == kNotFound || session_.empty();
  }

  // The whole in one request; what is left of it in parts that say where they belong; then a last word.
  HttpResponse send_next() {
    const Url session = Url::parse(session_);
    const std::uint64_t left = upload_.blob.size - offset_;
    const bool whole = offset_ == 0 && !in_chunks_;
    const std::uint64_t size = whole || !in_chunks_ ? left : std::min(left, chunk_);
    HttpBody body{size,
                  [&](std::uint64_t at, std::span<std::byte> into) { return read(offset_ + at, size - at, into); }};
    HttpRequest request{"PUT", session, {"Content-Type: application/octet-stream"}, &body};
    done_ = whole || left == 0;
    if (done_) {
      request.url = session.with_query("digest", upload_.blob.digest);
    } else {
      request.method = "PATCH";
      request.headers.push_back(fmt::format("Content-Range: {}-{}", offset_, offset_ + size - 1));
    }
    const HttpResponse answer = client_.send(request, Retries::no);
    if (answer.ok() && !done_) {
      remember(session, answer);
      offset_ += size;
    }
    return answer;
  }

  std::size_t read(std::uint64_t at, std::uint64_t left, std::span<std::byte> into) {
    const std::size_t wanted = static_cast<std::size_t>(std::min<std::uint64_t>(left, into.size()));
    const std::size_t count =
        sys::pread(file_.get(), into.data(), wanted, static_cast<off_t>(at)) | or_throw("reading '{}'", upload_.path);
    if (upload_.progress) upload_.progress(at + count);
    return count;
  }

  // After trouble: has it arrived after all, or how much of it has? A session that the registry knows no more begins
  // anew. True: there is nothing left to do.
  bool find_out() {
    resumed_ = true;
    if (!session_.empty()) {
      const Url session = Url::parse(session_);
      const HttpResponse answer = client_.send({"GET", session, {}});
      if (answer.ok()) {
        remember(session, answer);
        offset_ = std::min(uploaded_bytes(answer.header("range")), upload_.blob.size);
        return false;
      }
      if (answer.failure != HttpFailure::none) client_.refuse(answer);
    }
    if (is_there()) return true;
    session_.clear();
    begin();
    return false;
  }

  RegistryClient& client_;
  const Upload& upload_;
  Fd file_;
  std::string session_;  ///< The url of the upload; empty: none is under way.
  std::uint64_t offset_ = 0, chunk_ = kChunk;
  bool in_chunks_ = false, resumed_ = false, done_ = false;
};

}  // namespace

std::uint64_t uploaded_bytes(const std::string& range) {
  std::string_view text = range;
  if (text.starts_with("bytes=")) text.remove_prefix(6);
  if (!text.starts_with("0-")) return 0;
  text.remove_prefix(2);
  std::uint64_t last = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), last);
  if (error != std::errc{} || end != text.data() + text.size() || last == 0) return 0;
  return last == UINT64_MAX ? last : last + 1;
}

SentBlob send_blob(RegistryClient& client, const Upload& upload) { return Uploader(client, upload).run(); }

}  // namespace sandbox::image
