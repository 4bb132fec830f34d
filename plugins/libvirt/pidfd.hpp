// A handle on one process that no reuse of its pid can turn into a handle on another one.
#pragma once

#include "processes.hpp"

namespace pvcd::libvirt {

class Pidfd {
 public:
  // Open only if the process lives and has the given start time.
  Pidfd(const Processes&, const Process&);
  ~Pidfd();
  Pidfd(Pidfd&& other) noexcept;
  Pidfd& operator=(Pidfd&&) = delete;

  bool open() const { return number_ >= 0; }
  Existence existence() const { return existence_; }  // when it was opened; Unknown if it could not be

  int number() const { return number_; }
  void kill() const;                        // SIGKILL
  bool wait_end(Microseconds limit) const;  // true: the last thread of the process has ended

 private:
  int number_ = -1;
  Existence existence_ = Existence::Unknown;
};

}  // namespace pvcd::libvirt
