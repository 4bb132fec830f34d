#include "sdk/plugged.hpp"

#include <algorithm>
#include <charconv>

namespace pvcd {

std::string as_fact(const std::vector<PluggedImage>& images) {
  std::string fact;
  for (const PluggedImage& each : images) fact += std::to_string(each.number) + " " + each.image + "\n";
  return fact;
}

std::vector<PluggedImage> plugged_images(std::string_view fact) {
  std::vector<PluggedImage> images;
  while (!fact.empty()) {
    const std::string_view line = fact.substr(0, fact.find('\n'));
    fact.remove_prefix(std::min(fact.size(), line.size() + 1));
    PluggedImage image;
    const auto [rest, error] = std::from_chars(line.data(), line.data() + line.size(), image.number);
    const std::string_view name = line.substr(static_cast<std::size_t>(rest - line.data()));
    if (error != std::errc() || name.size() < 2 || !name.starts_with(' ')) continue;
    image.image = name.substr(1);
    images.push_back(std::move(image));
  }
  return images;
}

}  // namespace pvcd
