// The planted bug (I28): a fuzzing run that does not find it in time does not count. tools/fuzz.sh
// wants this target to fail.
#include "base/base.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    CHECK(!(size >= 3 && data[0] == 'b' && data[1] == 'u' && data[2] == 'g'));
    return 0;
}
