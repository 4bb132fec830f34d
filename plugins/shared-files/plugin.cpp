#include "shared_files.hpp"

PVCD_PLUGIN("shared-files", pvcd::shared_files::SharedFiles);
