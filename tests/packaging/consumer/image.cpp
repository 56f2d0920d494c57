// Decodes a picture of one pixel.
#include <gpunet/image.hpp>

#include <cstdlib>
#include <iostream>
#include <vector>

int main() {
    const gpunet::image picture = gpunet::read_image(std::getenv("PICTURE"));
    for (const int value : picture.pixels) std::cout << value << '\n';
    return picture.pixels == std::vector<std::uint8_t>{139, 220, 195} ? EXIT_SUCCESS : EXIT_FAILURE;
}
