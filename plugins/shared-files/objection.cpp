#include "objection.hpp"

#include <cerrno>
#include <cstring>

namespace pvcd::shared_files {

Objection not_opened(const std::string& path) {
  const int error = errno;
  const std::string what = path + ": " + std::strerror(error);
  switch (error) {
    case ENOENT:
      return lacks(path + " is not there");
    case ESTALE:
      return lacks(what + "; mount it anew");
    case EACCES:
    case EPERM:
    case EROFS:
      return lacks(what + "; root of this host must be able to read and write there (NFS: no_root_squash)");
    default:
      return {Verdict::Unknown, what, false};
  }
}

}  // namespace pvcd::shared_files
