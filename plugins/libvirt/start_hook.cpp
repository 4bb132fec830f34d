// /etc/libvirt/hooks/qemu.d/pvcd: libvirt calls it with name, operation, sub-operation and the domain's XML on stdin,
// and starts the domain only if it succeeds. It must not call libvirt, which waits for it, and needs no bus and no
// store: it guards a host whose pvcd is stopped as well.
#include <iostream>
#include <iterator>
#include <string>
#include <string_view>

#include "sdk/permit.hpp"
#include "start_guard.hpp"

int main(int count, char** arguments) {
  // Every way to a running QEMU comes here: start, create, autostart, restore, an incoming migration.
  if (count < 4 || arguments[2] != std::string_view("prepare") || arguments[3] != std::string_view("begin")) return 0;
  const std::string xml((std::istreambuf_iterator<char>(std::cin)), {});
  const std::string why_not = pvcd::libvirt::why_not_start(xml, {}, pvcd::boottime_now());
  if (why_not.empty()) return 0;
  std::cerr << "pvcd: " << why_not << "\n";
  return 1;
}
