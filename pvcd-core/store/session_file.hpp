// Where a process keeps the id and the secret of its session, so that its next life resumes it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace pvcd::store {

struct SavedSession {
  std::int64_t id = 0;
  std::string secret;
};

// Two processes with one session would steal it from each other for ever: the file is locked (through <path>.lock,
// because the file itself is replaced by rename) for as long as this object lives.
class SessionFile {
 public:
  explicit SessionFile(std::string path);  // throws Error when another process holds it
  ~SessionFile();
  SessionFile(const SessionFile&) = delete;
  SessionFile& operator=(const SessionFile&) = delete;

  std::optional<SavedSession> load() const;
  void save(const SavedSession&);  // a failure leaves no file: the next life begins a new session
  void remove();

 private:
  std::string path_;
  int lock_ = -1;
};

}  // namespace pvcd::store
