// EXPECT: (use of deleted function .*atomic_file|call to deleted constructor of .*atomic_file)
#include <gpunet/atomic_file.hpp>

namespace atomic_file_copied {

#ifdef MISUSE
void work(gpunet::atomic_file& file) { gpunet::atomic_file copy(file); }
#else
void work(gpunet::atomic_file& file) { gpunet::atomic_file other(file.target()); }
#endif

} // namespace atomic_file_copied
