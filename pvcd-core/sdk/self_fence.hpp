// What the helper that pets the watchdog and the keepalive tell each other: two small files in /run/pvcd, each one
// whole line about one boot. Neither waits for the other.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "sdk/model.hpp"

namespace pvcd {

inline constexpr const char* self_fence_by_watchdog = "watchdog";  // [self_fence] mode

// Of the helper: what the keepalive publishes. It says armed from when the device is until just before it is disarmed.
inline constexpr const char* self_fence_file = "self-fence";
// Of the keepalive: the store knows that this boot is not armed any more, so the helper may disarm the device.
inline constexpr const char* disarm_file = "self-fence.disarm";

std::string encode_self_fence(const BootId&, const SelfFence&);
std::optional<SelfFence> decode_self_fence(std::string_view, const BootId&);  // nothing: it is not about this boot

std::string encode_disarm(const BootId&);
bool permits_disarm(std::string_view, const BootId&);

}  // namespace pvcd
