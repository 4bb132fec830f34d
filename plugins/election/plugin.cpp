#include "election.hpp"

PVCD_PLUGIN("election", pvcd::election::Election);
