#include "image_files.hpp"

#include <gpunet/image/decode.hpp>

#include <catch2/catch.hpp>

#include <cstring>
#include <random>
#include <string_view>

namespace test_image_decode { // tests of a program are compiled together

using Catch::Contains;
using namespace image_files;
using gpunet::decode_image;
using gpunet::decode_options;
using gpunet::image_error;

namespace {

std::vector<std::byte> bytes(std::string_view text) {
    const auto* first = reinterpret_cast<const std::byte*>(text.data());
    return {first, first + text.size()};
}

std::string refusal(const std::vector<std::byte>& file, const std::string& name = "x",
                    const decode_options& options = {}) {
    return message_of<image_error>([&] { decode_image(file, name, options); });
}

std::size_t find(const std::vector<std::byte>& file, std::string_view what) {
    const std::string_view text(reinterpret_cast<const char*>(file.data()), file.size());
    const std::size_t at = text.find(what);
    REQUIRE(at != std::string_view::npos);
    return at;
}

std::uint32_t crc32(const std::byte* first, std::size_t count) {
    std::uint32_t crc = 0xFFFFFFFF;
    for (std::size_t i = 0; i < count; ++i) {
        crc ^= std::to_integer<std::uint32_t>(first[i]);
        for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320 : 0);
    }
    return ~crc;
}

void store(std::vector<std::byte>& file, std::size_t at, std::uint32_t value, std::size_t size) {
    for (std::size_t i = 0; i < size; ++i) file.at(at + i) = static_cast<std::byte>(value >> 8 * (size - 1 - i));
}

/// A PNG file whose header claims another size, with a correct checksum.
std::vector<std::byte> png_claiming(std::uint32_t width, std::uint32_t height) {
    auto file = bytes_of("png_rgb8.png");
    store(file, 16, width, 4);
    store(file, 20, height, 4);
    store(file, 29, crc32(file.data() + 12, 17), 4);
    return file;
}

std::vector<std::byte> jpeg_claiming(std::uint32_t width, std::uint32_t height) {
    auto file = bytes_of("jpg_444.jpg");
    const std::size_t frame = find(file, "\xFF\xC0");
    store(file, frame + 5, height, 2);
    store(file, frame + 7, width, 2);
    return file;
}

} // namespace

TEST_CASE("pictures decode to Pillow's pixels") {
    for (const auto& line : index("decode")) {
        INFO(line[0]);
        CHECK(equal(decode_image(bytes_of(line[0]), line[0], {.apply_exif_orientation = false}), ppm(line[1])));
    }
}

TEST_CASE("EXIF orientation turns pictures as Pillow's exif_transpose does") {
    for (const auto& line : index("upright")) {
        INFO(line[0]);
        CHECK(equal(decode_image(bytes_of(line[0]), line[0]), ppm(line[1])));
    }
}

TEST_CASE("read_image reads files") {
    CHECK(equal(gpunet::read_image(folder() / "jpg_420.jpg"), ppm("jpg_420.jpg.ppm")));
    const std::string missing = message_of<gpunet::io_error>([] { gpunet::read_image(folder() / "no_such.jpg"); });
    CHECK_THAT(missing, Contains("no_such.jpg") && Contains("No such file"));
    CHECK_THAT(message_of<gpunet::io_error>([] { gpunet::read_image(folder()); }), Contains("found a directory"));
    CHECK_THAT(message_of<image_error>([] { gpunet::read_image(folder() / "index.txt"); }),
               Contains("index.txt") && Contains("expected a JPEG or PNG picture"));
    CHECK_THAT(message_of<image_error>([] { gpunet::read_image(folder() / "jpg_420.jpg", {.max_bytes = 100}); }),
               Contains("jpg_420.jpg") && Contains("limit of 100 bytes"));
}

TEST_CASE("other formats are refused by name") {
    using namespace std::string_view_literals;
    const std::pair<std::string_view, const char*> starts[] = {{"GIF89a\1\0\1\0\0\0"sv, "GIF"},
                                                               {"RIFF\x10\0\0\0WEBPVP8 "sv, "WebP"},
                                                               {"BM\x10\0\0\0\0\0\0\0\0\0"sv, "BMP"},
                                                               {"II*\0\x08\0\0\0\0\0\0\0"sv, "TIFF"},
                                                               {"MM\0*\0\0\0\x08\0\0\0\0"sv, "TIFF"},
                                                               {"\0\0\0\x1C"
                                                                "ftypavif"sv,
                                                                "AVIF"},
                                                               {"\0\0\0\x18"
                                                                "ftypheic"sv,
                                                                "HEIC"},
                                                               {"\0\0\0\x0CJXL \r\n\x87\n"sv, "JPEG XL"},
                                                               {"\0\0\0\x0CjP  \r\n\x87\n"sv, "JPEG 2000"}};
    for (const auto& [start, name] : starts)
        CHECK_THAT(refusal(bytes(start), "a.jpg"),
                   Contains("a.jpg: " + std::string(name) + " pictures are not supported"));
    CHECK_THAT(refusal(bytes("<html>"), "page"), Contains("page: ") && Contains("starts with 3c 68 74 6d"));
    CHECK_THAT(refusal({}, "none"), Contains("none: ") && Contains("empty file"));
    CHECK_THAT(refusal(bytes("\x89"), "one"), Contains("starts with 89"));
    for (std::size_t length = 0; length < 12; ++length) // no read beyond a short start
        for (const auto& [start, name] : starts) CHECK_FALSE(refusal(bytes(start.substr(0, length))).empty());
}

TEST_CASE("every truncation is refused, naming file and format") {
    for (const auto& line : index("decode")) {
        const auto whole = bytes_of(line[0]);
        const bool jpeg = line[0].ends_with(".jpg");
        const std::size_t step = std::max<std::size_t>(1, whole.size() / 60);
        for (std::size_t cut = 1; cut < whole.size(); cut += cut < 32 || cut + 16 > whole.size() ? 1 : step) {
            INFO(line[0] << " without its last " << cut << " of " << whole.size() << " bytes");
            const std::vector<std::byte> part(whole.begin(), whole.end() - static_cast<std::ptrdiff_t>(cut));
            const std::string message = refusal(part, line[0]);
            if (part.size() < 4)
                CHECK_THAT(message, Contains(line[0]));
            else
                CHECK_THAT(message, Contains(line[0] + (jpeg ? ": JPEG: " : ": PNG: ")));
            if (part.size() >= 4 && jpeg) CHECK_THAT(message, Contains("truncated"));
        }
    }
}

TEST_CASE("claimed sizes beyond the limits are refused before anything is allocated") {
    CHECK_THAT(refusal(png_claiming(2'000'000, 1)), Contains("2000000 x 1 pixels") && Contains("max_side"));
    CHECK_THAT(refusal(png_claiming(0x7FFFFFFF, 0x7FFFFFFF)), Contains("PNG") && Contains("max_side"));
    CHECK_THAT(refusal(png_claiming(0xFFFFFFFF, 1)), Contains("4294967295 x 1"));
    CHECK_THAT(refusal(png_claiming(100'000, 100'000)), Contains("178956970 pixels") && Contains("max_pixels"));
    CHECK_THAT(refusal(png_claiming(0, 5)), Contains("0 x 5 pixels"));
    CHECK_THAT(refusal(png_claiming(13'000, 13'000)), Contains("truncated") && Contains("cannot lie in"));
    CHECK_THAT(refusal(png_claiming(20, 11)), Contains("PNG"));
    CHECK_THAT(refusal(jpeg_claiming(65'535, 65'535)), Contains("65535 x 65535 pixels") && Contains("max_pixels"));
    CHECK_THAT(refusal(jpeg_claiming(13'000, 13'000)), Contains("truncated") && Contains("cannot lie in"));
    CHECK_THAT(refusal(jpeg_claiming(0, 29)), Contains("JPEG: 0 x 29 pixels"));
    CHECK_THAT(refusal(jpeg_claiming(370, 29)), Contains("JPEG: "));

    const auto jpeg = bytes_of("jpg_444.jpg"), png = bytes_of("png_rgb8.png");
    CHECK_THAT(refusal(jpeg, "a", {.max_pixels = 37 * 29 - 1}), Contains("limit of 1072 pixels"));
    CHECK(refusal(jpeg, "a", {.max_pixels = 37 * 29}).empty());
    CHECK_THAT(refusal(png, "a", {.max_side = 18}), Contains("limit of 18"));
    CHECK(refusal(png, "a", {.max_side = 19}).empty());
}

TEST_CASE("damage is refused with the library's own reason") {
    auto png = bytes_of("png_rgb8.png");
    png[find(png, "IDAT") + 10] ^= std::byte{0x40};
    CHECK_THAT(refusal(png, "a.png"), Contains("a.png: PNG: IDAT: "));
    png = bytes_of("png_rgb8.png");
    png[find(png, "IHDR") + 8 + 1] = std::byte{7}; // the colour type
    CHECK_THAT(refusal(png, "a.png"), Contains("a.png: PNG: "));
    png = bytes_of("png_rgb8.png");
    png[4] = std::byte{'\n'};
    CHECK_THAT(refusal(png, "a.png"), Contains("a.png: PNG: "));
    png = bytes_of("png_palette8.png");
    std::memcpy(png.data() + find(png, "PLTE"), "pLTE", 4);
    CHECK_THAT(refusal(png, "a.png"), Contains("a.png: PNG: "));

    auto jpeg = bytes_of("jpg_444.jpg");
    store(jpeg, find(jpeg, "\xFF\xDB"), 0xFFE9, 2); // a quantization table turned into application data
    CHECK_THAT(refusal(jpeg, "a.jpg"), Contains("a.jpg: JPEG: ") && Contains("Quantization table"));
    jpeg = bytes_of("jpg_444.jpg");
    const std::size_t scan = find(jpeg, "\xFF\xDA");
    const std::vector<std::byte> no_data = [&] {
        std::vector<std::byte> short_file(jpeg.begin(), jpeg.begin() + static_cast<std::ptrdiff_t>(scan + 60));
        short_file.push_back(std::byte{0xFF});
        short_file.push_back(std::byte{0xD9});
        return short_file;
    }();
    CHECK_THAT(refusal(no_data, "a.jpg"), Contains("a.jpg: JPEG: ") && Contains("premature end of data"));
    CHECK_THAT(refusal(bytes("\xFF\xD8\xFF\xD9")), Contains("no frame header"));
    jpeg = bytes_of("jpg_444.jpg");
    jpeg[find(jpeg, "\xFF\xC0") + 9] = std::byte{2};
    CHECK_THAT(refusal(jpeg), Contains("found 2"));
    jpeg = bytes_of("jpg_444.jpg");
    jpeg[find(jpeg, "\xFF\xC0") + 1] = std::byte{0xC3};
    CHECK_THAT(refusal(jpeg), Contains("Unsupported JPEG process"));
}

TEST_CASE("what leaves the pixels intact is accepted") {
    const auto whole = bytes_of("jpg_420.jpg");
    auto padded = whole; // bytes before the end-of-image marker and after it
    padded.insert(padded.end() - 2, 5, std::byte{0});
    padded.insert(padded.end(), 100, std::byte{0xAB});
    CHECK(equal(decode_image(padded, "padded"), ppm("jpg_420.jpg.ppm")));
    auto png = bytes_of("png_rgb8.png");
    png.insert(png.end(), 100, std::byte{0xAB});
    CHECK(equal(decode_image(png, "padded"), ppm("png_rgb8.png.ppm")));
}

TEST_CASE("no damaged byte does worse than an image_error") {
    std::mt19937 random(7);
    for (const char* name :
         {"jpg_420.jpg", "jpg_progressive.jpg", "jpg_ycck_420.jpg", "jpg_orientation6.jpg", "jpg_arithmetic.jpg",
          "png_rgb8_interlaced.png", "png_palette4_transparent.png", "png_rgba16.png", "png_orientation6.png"}) {
        const auto whole = bytes_of(name);
        for (int round = 0; round < 300; ++round) {
            auto damaged = whole;
            for (unsigned i = 0; i < 1 + random() % 3; ++i)
                damaged[random() % damaged.size()] = static_cast<std::byte>(random() % 256);
            try {
                decode_image(damaged, name, {.max_pixels = 1'000'000});
            } catch (const image_error& failure) {
                CHECK(std::string(failure.what()).starts_with(name));
            }
        }
    }
}

TEST_CASE("exif_orientation reads both byte orders and shrugs at garbage") {
    using namespace std::string_view_literals;
    using gpunet::exif_orientation;
    using namespace std::string_literals;
    const std::string little = "II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"s;
    const auto with = [&](std::size_t at, char value) {
        std::string changed = little;
        changed.at(at) = value;
        return exif_orientation(bytes(changed));
    };
    CHECK(exif_orientation(bytes(little)) == 6);
    CHECK(exif_orientation(bytes("MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x08\0\0\0\0\0\0"sv)) == 8);
    CHECK(with(18, 0) == 1); // the value
    CHECK(with(18, 9) == 1);
    CHECK(with(19, 1) == 1);
    CHECK(with(12, 2) == 1);     // the type: text
    CHECK(with(14, 2) == 1);     // the count
    CHECK(with(10, 0x13) == 1);  // another tag
    CHECK(with(8, 0) == 1);      // no entries
    CHECK(with(4, '\x7F') == 1); // the directory lies outside
    CHECK(with(7, '\xFF') == 1);
    CHECK(with(2, 43) == 1);
    CHECK(with(0, 'X') == 1);
    CHECK(with(9, '\xFF') == 6); // more entries claimed than there are, after the one that counts
    for (std::size_t length = 0; length < 22; ++length)
        CHECK(exif_orientation(bytes(std::string_view(little).substr(0, length))) == 1);
    CHECK(exif_orientation({}) == 1);
}

TEST_CASE("garbage in EXIF data does not spoil the picture") {
    auto file = bytes_of("jpg_orientation6.jpg");
    const std::size_t tiff = find(file, "Exif") + 6;
    for (std::size_t i = 0; i < 8; ++i) file[tiff + i] = std::byte{0xEE};
    CHECK(equal(decode_image(file, "x"), ppm("jpg_orientation6.jpg.ppm")));
}

TEST_CASE("upright refuses orientations there are not") {
    CHECK_THAT(message_of<gpunet::argument_error>([] { gpunet::upright(gpunet::image(1, 1), 9); }),
               Contains("1 to 8, found 9"));
}

TEST_CASE("views are validated, each complaint naming its member") {
    const std::uint8_t pixels[12] = {};
    const auto complaint = [](const gpunet::image_view& view) {
        return message_of<gpunet::argument_error>([&] { validate(view); });
    };
    CHECK(complaint({pixels, 2, 2, 6, gpunet::pixel_order::bgr}).empty());
    CHECK(complaint({pixels + 6, 2, 2, -6}).empty());
    CHECK_THAT(complaint({nullptr, 2, 2, 6}), Contains("pixels is null"));
    CHECK_THAT(complaint({pixels, 0, 2, 6}), Contains("found 0 x 2"));
    CHECK_THAT(complaint({pixels, 2, -1, 6}), Contains("found 2 x -1"));
    CHECK_THAT(complaint({pixels, INT64_MAX, 2, 6}), Contains("sides"));
    CHECK_THAT(complaint({pixels, 2, 2, 5}), Contains("stride") && Contains("at least 3 * width = 6 bytes, found 5"));
    CHECK_THAT(complaint({pixels, 2, 2, -5}), Contains("found -5"));
    CHECK_THAT(complaint({pixels, 2, 2, PTRDIFF_MAX}), Contains("exceeds the address space"));
    CHECK_THAT(complaint({pixels, 2, 2, PTRDIFF_MIN}), Contains("exceeds the address space"));
    CHECK_THAT(complaint({pixels, 2, 2, 6, static_cast<gpunet::pixel_order>(7)}), Contains("order"));

    gpunet::image broken(2, 2);
    broken.pixels.pop_back();
    CHECK_THAT(message_of<gpunet::argument_error>([&] { static_cast<void>(broken.view()); }),
               Contains("expected height * width * 3 = 12 bytes, found 11"));
}

} // namespace test_image_decode
