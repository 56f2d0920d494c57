// SIGPIPE, kept from a thread for the time of a call.
#pragma once

#include <ctime>

#include <pthread.h>
#include <signal.h>

namespace gpunet::detail {

/// While it lives, a connection that ends while this thread writes to it is an error and no signal, which would end the
/// program. Other threads and the program's handler are left alone.
class no_sigpipe {
  public:
    no_sigpipe() {
        ::sigset_t pending;
        ::sigemptyset(&pipe_);
        ::sigaddset(&pipe_, SIGPIPE);
        ::sigemptyset(&pending);
        ::sigpending(&pending);
        was_pending_ = ::sigismember(&pending, SIGPIPE) == 1;
        ::pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
    }
    no_sigpipe(const no_sigpipe&) = delete;
    no_sigpipe& operator=(const no_sigpipe&) = delete;
    ~no_sigpipe() {
        const ::timespec at_once{};
        if (!was_pending_) static_cast<void>(::sigtimedwait(&pipe_, nullptr, &at_once));
        ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    }

  private:
    ::sigset_t pipe_{}, before_{};
    bool was_pending_ = false;
};

} // namespace gpunet::detail
