// See unpacking.h. Parent and child talk over a SOCK_SEQPACKET socket: there, how far blobs have come; back, the digest
// of each layer that is unpacked. What the child has to say at its end is the answer of an AskedChild.
#include "sandbox/image/unpacking.h"

#include <signal.h>
#include <sys/prctl.h>

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <iterator>
#include <mutex>
#include <thread>

#include "sandbox/base/sys.h"
#include "sandbox/image/parallel.h"
#include "sandbox/image/unpack.h"

namespace sandbox::image {
namespace {

constexpr std::size_t kAtOnce = 4;  // layers; each has a thread that inflates and one that makes files

struct Note {
  std::uint64_t blob = 0, bytes = 0;
  bool whole = false;
};

/// In the child: how far blobs and layers are. All threads use it.
class Course {
 public:
  Course(std::size_t blobs, std::size_t layers) : blobs_(blobs), done_(layers) {}

  /// Body of a thread: takes notes until the parent has gone.
  void listen(int socket) {
    for (;;) {
      const auto message = sys::receive_message(socket, sizeof(Note));
      if (!message || message->data.size() != sizeof(Note)) return give_up();
      Note note;
      std::memcpy(&note, message->data.data(), sizeof note);
      change([&] { blobs_.at(note.blob) = note; });
    }
  }

  void finished(std::size_t layer) {
    change([&] { done_.at(layer) = true; });
  }
  void give_up() {
    change([&] { given_up_ = true; });
  }

  /// A GrowingFile (layer_stream.h).
  std::uint64_t wait_for(std::size_t blob, std::uint64_t position, const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    const Note& note = blobs_.at(blob);
    changed_.wait(lock, stop, [&] { return given_up_ || note.whole || note.bytes > position; });
    if (given_up_ || stop.stop_requested()) throw Error("unpacking has been given up");
    return std::max(note.bytes, position);
  }

  void wait_for_layers(const std::vector<std::size_t>& layers) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] {
      return given_up_ || std::ranges::all_of(layers, [&](std::size_t layer) { return done_.at(layer); });
    });
    if (given_up_) throw Error("unpacking has been given up");
  }

 private:
  void change(const auto& act) {
    {
      const std::scoped_lock lock(mutex_);
      act();
    }
    changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::vector<Note> blobs_;
  std::vector<bool> done_;
  bool given_up_ = false;
};

/// The thread that listens, for as long as this object lives.
class Listener {
 public:
  Listener(Course& course, int socket) : socket_(socket), thread_([&course, socket] { course.listen(socket); }) {}
  ~Listener() { ::shutdown(socket_, SHUT_RD); }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

 private:
  int socket_;
  std::jthread thread_;
};

}  // namespace

Unpacking::Unpacking(const ImageStore& store, const Places& places, const Image& image,
                     const userns::KeptNamespace* range, const Arriving& arriving)
    : places_(places), image_(image), arriving_(arriving) {
  for (const std::string& chain : chain_ids(image.diff_ids)) {
    Layer layer{std::string(hex_of(chain)), {}, {}};
    layer.fs = find_unpacked(places, layer.chain, range != nullptr);
    if (layer.fs.empty()) {
      if (missing_.empty()) prepare_store(places);
      layer.staging.reset(new Staged(store.stage()));
      layer.fs = layer.staging->path() + "/fs";
      missing_.push_back(layers_.size());
    }
    layers_.push_back(std::move(layer));
  }
  if (!missing_.empty()) start(range);
}

void Unpacking::start(const userns::KeptNamespace* range) {
  sys::Pair sockets = sys::socketpair(SOCK_SEQPACKET) | or_throw("making a socket");
  child_.emplace([&] {
    sockets.first.reset();
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (range != nullptr) userns::enter_namespace(range->user_ns.get());
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // the change of ids has cleared it (prctl(2))
    work(sockets.second.get(), range != nullptr);
    return std::string();
  });
  socket_ = std::move(sockets.first);
}

/// In the child.
void Unpacking::work(int socket, bool range) const {
  Course course(arriving_.size(), layers_.size());
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    if (!layers_[i].staging) course.finished(i);
  }
  const Listener listener(course, socket);
  const auto unpack_one = [&](std::size_t number) {
    const Layer& layer = layers_[number];
    const std::string& digest = image_.layers.at(number).digest;
    overlay::ApplyOptions options{.change_owner = range};
    options.lower = [&] {
      std::vector<std::size_t> below;
      std::vector<std::string> directories;
      for (std::size_t i = number; i > 0; --i) {
        below.push_back(i - 1);
        directories.push_back(layers_[i - 1].fs);
      }
      course.wait_for_layers(below);
      return directories;
    };
    Fd blob;
    if (const auto at = arriving_.find(digest); at != arriving_.end()) {
      const auto place = static_cast<std::size_t>(std::distance(arriving_.begin(), at));
      options.growing = [&course, place](std::uint64_t position, const std::stop_token& stop) {
        return course.wait_for(place, position, stop);
      };
      (void)course.wait_for(place, 0, {});
      if (auto file = sys::openat(AT_FDCWD, at->second.c_str(), O_RDONLY)) blob = std::move(*file);
    }
    if (!blob) blob = open_layer_blob(places_, image_, digest);  // it has its name already
    sys::mkdirat(AT_FDCWD, layer.staging->path().c_str(), 0700) | or_throw("creating '{}'", layer.staging->path());
    fill_layer(blob.get(), layer.staging->path(), image_.diff_ids[number], options);
    course.finished(number);
    (void)sys::send_message(socket, std::as_bytes(std::span(digest)), {});
  };
  in_parallel(missing_.size(), kAtOnce, [&](std::size_t number, const std::stop_token&) {
    try {
      unpack_one(missing_[number]);
    } catch (...) {
      course.give_up();
      throw;
    }
  });
  sync_files(layers_[missing_.front()].fs);
}

bool Unpacking::tell(const std::string& digest, std::uint64_t bytes, bool whole) const {
  const auto at = arriving_.find(digest);
  if (!child_ || at == arriving_.end()) return true;
  const Note note{static_cast<std::uint64_t>(std::distance(arriving_.begin(), at)), bytes, whole};
  return sys::send_message(socket_.get(), std::as_bytes(std::span(&note, 1)), {}).has_value();
}

bool Unpacking::arrived(const std::string& digest, std::uint64_t bytes) { return tell(digest, bytes, false); }

bool Unpacking::verified(const std::string& digest) {
  const auto same = [&](const Descriptor& layer) { return layer.digest == digest; };
  const auto layer = std::ranges::find_if(image_.layers, same);
  return layer == image_.layers.end() || tell(digest, layer->size, true);
}

void Unpacking::wait(const std::function<void(const std::string& digest)>& done) {
  if (!child_) return;
  for (;;) {
    const auto message = sys::receive_message(socket_.get(), 256);
    if (!message || message->data.empty()) break;
    if (done) done({reinterpret_cast<const char*>(message->data.data()), message->data.size()});
  }
  (void)child_->answer();
  child_.reset();
}

std::vector<std::string> Unpacking::found() const {
  std::vector<std::string> directories;
  for (const Layer& layer : layers_) {
    if (!layer.staging) directories.push_back(layer.fs);
  }
  return directories;
}

std::vector<std::string> Unpacking::publish() {
  std::vector<std::string> directories;
  for (const Layer& layer : layers_) {
    directories.push_back(layer.staging ? publish_layer(places_, layer.staging->path(), layer.chain) + "/fs"
                                        : layer.fs);
  }
  if (!missing_.empty()) sync_names(places_);
  std::ranges::reverse(directories);
  return directories;
}

}  // namespace sandbox::image
