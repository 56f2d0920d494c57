// The "input" of a model's record: what its network expects of pictures.
#pragma once

#include <gpunet/detail/object_reader.hpp>
#include <gpunet/error.hpp>
#include <gpunet/image/preprocess.hpp>
#include <gpunet/spec/read_layer.hpp>

#include <array>
#include <cmath>
#include <cstddef>
#include <string>
#include <string_view>

namespace gpunet::detail {

using record_reader = object_reader<spec_error>;

/// One number a colour.
/// @param low, high  what each may be
inline std::array<float, 3> read_colours(record_reader& in, const std::string& key, double low, double high) {
    const std::string expected = "three numbers from " + json(low).dump() + " to " + json(high).dump();
    const json& list = in.required(key, expected);
    if (!list.is_array() || list.size() != 3) in.fail(key, expected, list);
    std::array<float, 3> out{};
    for (std::size_t i = 0; i < 3; ++i) {
        const double number = list[i].is_number() ? list[i].get<double>() : HUGE_VAL;
        if (!(number >= low && number <= high)) in.fail(key, expected, list);
        out[i] = static_cast<float>(number);
    }
    return out;
}

/// @throws spec_error for what no picture could be preprocessed by
inline void check_preprocessing(const preprocessing& p, const std::string& where) {
    try {
        validate(p);
    } catch (const argument_error& e) {
        throw spec_error(where + ": " + e.what());
    }
}

inline preprocessing read_preprocessing(record_reader& in) {
    preprocessing p;
    p.size = {in.integer("height", 1, max_spec_resolution), in.integer("width", 1, max_spec_resolution)};
    static_cast<void>(in.integer("channels", 3, 3));
    p.crop = in.number("crop", 0.0, 1.0);
    constexpr std::array<std::string_view, 2> filters = {"bilinear", "bicubic"};
    static_cast<void>(in.required("interpolation", "bilinear or bicubic"));
    p.interpolation = *in.optional_name<interpolation>("interpolation", filters);
    p.mean = read_colours(in, "mean", -1000.0, 1000.0); // of pixels from 0 to 1
    p.std = read_colours(in, "std", 0.001, 1000.0);
    check_preprocessing(p, in.where());
    return p;
}

} // namespace gpunet::detail
