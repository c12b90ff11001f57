// A kernel that does nothing: what a launch itself costs.
#include "common.cuh"

KERNEL empty() {}
