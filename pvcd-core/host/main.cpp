#include <cstdlib>
#include <iostream>

#include "host/process.hpp"

int main(int argc, char** argv) {
  const int code = pvcd::host::run_host(argc, argv);
  std::cout.flush();
  std::_Exit(code);  // not exit(): a hung plugin's thread would meet destroyed objects
}
