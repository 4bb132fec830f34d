#include "placement_groups.hpp"

#include <cerrno>
#include <ctime>
#include <memory>
#include <rados/librados.hpp>
#include <string>
#include <vector>

namespace pvcd::rbd_locks {
namespace {

// Of names that are as good as random so many are enough for each placement group to get one, by far.
constexpr std::uint64_t names_for_each_group = 100;
constexpr std::uint64_t names_at_least = 1000;

struct Question {
  std::unique_ptr<librados::AioCompletion> completion{librados::Rados::aio_create_completion()};
  std::uint64_t size = 0;
  std::time_t changed = 0;
};

// One name for each: which placement group an object belongs to is computed from its name. Fewer: they have changed.
std::vector<std::string> names_of(librados::IoCtx& pool, std::uint32_t groups) {
  std::vector<std::string> names(groups);
  std::uint32_t missing = groups;
  for (std::uint64_t i = 0; missing > 0 && i < names_for_each_group * groups + names_at_least; ++i) {
    const std::string name = "pvcd-proof." + std::to_string(i);
    std::uint32_t group = groups;
    if (pool.get_object_pg_hash_position2(name, &group) < 0 || group >= groups || !names[group].empty()) continue;
    names[group] = name;
    --missing;
  }
  if (missing > 0) names.clear();
  return names;
}

}  // namespace

Asked ask_every_group(rados_t handle, std::int64_t id, std::uint32_t groups) {
  librados::Rados rados;
  librados::Rados::from_rados_t(handle, rados);
  librados::IoCtx pool;
  if (const int code = rados.ioctx_create2(id, pool); code < 0) return {true, groups, code};
  const std::vector<std::string> names = names_of(pool, groups);
  if (names.empty()) return {};
  std::vector<Question> questions(names.size());
  for (std::size_t i = 0; i < names.size(); ++i)
    pool.aio_stat(names[i], questions[i].completion.get(), &questions[i].size, &questions[i].changed);
  Asked asked{true, 0, 0};
  for (const Question& question : questions) {
    question.completion->wait_for_complete();
    const int code = question.completion->get_return_value();
    if (code == 0 || code == -ENOENT) continue;
    ++asked.silent;
    asked.code = code;
  }
  return asked;
}

}  // namespace pvcd::rbd_locks
