// EXPECT: (use of deleted function .*mapped_file|mapped_file' uses deleted function)
#include <gpunet/weights/mapped_file.hpp>

namespace mapped_file_copied {

#ifdef MISUSE
gpunet::mapped_file take(gpunet::mapped_file& file) { return gpunet::mapped_file(file); }
#else
gpunet::mapped_file take(gpunet::mapped_file& file) { return gpunet::mapped_file(std::move(file)); }
#endif

} // namespace mapped_file_copied
