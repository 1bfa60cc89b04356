#pragma once

// How often operator new was called in this process so far, by shared libraries too.

long allocations();
