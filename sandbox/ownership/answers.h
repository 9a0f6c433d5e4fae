// What each call is answered.
#pragma once

#include "sandbox/ownership/caller.h"
#include "sandbox/ownership/calls.h"
#include "sandbox/ownership/credentials.h"
#include "sandbox/ownership/listener.h"
#include "sandbox/ownership/owners.h"
#include "sandbox/ownership/question.h"

namespace sandbox::ownership {

class Answers {
 public:
  /// Borrows `proc`; see Caller.
  Answers(Owners owners, int proc);

  /// A listener whose first process has these ids.
  Listener listen(Fd fd, const Credentials& first);
  /// Precondition: the working directory is `proc`, and is it afterwards; the root may be another. Does not throw.
  Answer answer(const Listener& listener, const seccomp_notif& asked);

 private:
  const Credentials& credentials_of(const Listener& listener, const Caller& caller) const;
  Answer answer(const Question& question);
  /// Whether its user id, or what it has kept of its capabilities, entitles it to what a capability is needed for.
  bool is_privileged(const Question& question, Id user, int capability);
  Answer keep_capabilities(const Question& question);
  Answer set_limit(const Question& question);
  Answer chown(const Question& question);
  Answer set_ids(const Question& question);
  Answer set_file_system_id(const Question& question);
  Answer set_groups(const Question& question);
  Answer get_ids(const Question& question, const Ids& ids);
  Answer get_groups(const Question& question);
  Answer become(const Question& question, const Credentials& credentials);
  // answers_creation.cc
  Answer make_node(const Question& question);
  Answer make_device(const Question& question, mode_t mode, dev_t device);
  Answer create(const Question& question);
  // answers_status.cc
  Answer show_status(const Question& question);
  Answer show_peer(const Question& question);

  CallNumbers numbers_;
  CredentialTable table_;
  Owners owners_;
  int proc_;
  /// Threads that keep their capabilities when they take another user id (prctl(2), PR_SET_KEEPCAPS), until they
  /// execute another program (Caller::program).
  std::map<pid_t, std::uint64_t> keepers_;
};

}  // namespace sandbox::ownership
