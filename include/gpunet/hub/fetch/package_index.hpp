// Wheels by name and version, from PyPI or another index of its kind. Formats: PEP 503 (names, HTML pages), PEP 691
// (JSON pages).
#pragma once

#include <gpunet/detail/object_reader.hpp>
#include <gpunet/error.hpp>
#include <gpunet/hub/download.hpp>
#include <gpunet/hub/fetch/url.hpp>
#include <gpunet/hub/sha256.hpp>

#include <cctype>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <curl/curl.h>

namespace gpunet {

/// A file of a package, as an index lists it.
struct package_file {
    std::string name; // "pkg-1.0-py3-none-any.whl"
    std::string url;
    std::optional<std::string> sha256;
};

namespace detail {

/// As PEP 503 normalises it: lower case, runs of - _ . become one -.
inline std::string package_name(std::string_view name) {
    std::string out;
    for (const char c : name) {
        const bool separator = c == '-' || c == '_' || c == '.';
        if (!separator)
            out += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
        else if (!out.ends_with('-'))
            out += '-';
    }
    return out;
}

/// A link of a page as a URL of its own.
inline std::string resolved_url(const std::string& page, const std::string& link) {
    struct clean_up {
        void operator()(::CURLU* u) const noexcept { ::curl_url_cleanup(u); }
    };
    const std::unique_ptr<::CURLU, clean_up> handle(::curl_url());
    if (!handle || ::curl_url_set(handle.get(), ::CURLUPART_URL, page.c_str(), 0) != ::CURLUE_OK ||
        ::curl_url_set(handle.get(), ::CURLUPART_URL, link.c_str(), 0) != ::CURLUE_OK)
        throw io_error(shown_url(page) + ": expected links that are URLs, found " + shown_name(link));
    static_cast<void>(::curl_url_set(handle.get(), ::CURLUPART_FRAGMENT, nullptr, 0));
    char* text = nullptr;
    const bool there = ::curl_url_get(handle.get(), ::CURLUPART_URL, &text, 0) == ::CURLUE_OK;
    std::string out = there ? text : "";
    ::curl_free(text);
    return out;
}

inline std::vector<package_file> parse_json_page(const std::string& text, const std::string& page) {
    const std::string where = shown_url(page);
    const json document = parse_json<io_error>(text, where);
    object_reader<io_error> in(document, where);
    const json& list = in.required("files", "a list of files");
    if (!list.is_array()) in.fail("files", "a list of files", list);
    std::vector<package_file> files;
    for (const json& item : list) {
        object_reader<io_error> entry(item, where + ": files[" + std::to_string(files.size()) + "]");
        package_file f;
        f.name = entry.string("filename");
        f.url = resolved_url(page, entry.string("url"));
        if (const json* hashes = entry.find("hashes"); hashes && hashes->is_object())
            f.sha256 = object_reader<io_error>(*hashes, entry.where() + ": hashes").optional_string("sha256");
        files.push_back(std::move(f));
    }
    return files;
}

/// The value of an attribute of a tag, or nothing.
inline std::optional<std::string> attribute(std::string_view tag, std::string_view name) {
    for (const char quote : {'"', '\''}) {
        const std::string start = std::string(name) + "=" + quote;
        const std::size_t from = tag.find(start);
        if (from == std::string_view::npos) continue;
        const std::size_t to = tag.find(quote, from + start.size());
        if (to == std::string_view::npos) continue;
        std::string value(tag.substr(from + start.size(), to - from - start.size()));
        for (std::size_t at = 0; (at = value.find("&amp;", at)) != std::string::npos; ++at) value.erase(at + 1, 4);
        return value;
    }
    return std::nullopt;
}

/// Every <a href="URL#sha256=...">NAME</a>.
inline std::vector<package_file> parse_html_page(const std::string& text, const std::string& page) {
    std::vector<package_file> files;
    for (std::size_t at = 0; (at = text.find("<a ", at)) != std::string::npos;) {
        const std::size_t end = text.find('>', at), close = text.find("</a>", at);
        if (end == std::string::npos || close == std::string::npos || close < end) break;
        const auto link = attribute(std::string_view(text).substr(at, end - at), "href");
        std::string_view name = std::string_view(text).substr(end + 1, close - end - 1);
        while (!name.empty() && std::isspace(static_cast<unsigned char>(name.front()))) name.remove_prefix(1);
        while (!name.empty() && std::isspace(static_cast<unsigned char>(name.back()))) name.remove_suffix(1);
        at = close;
        if (!link) continue;
        package_file f{std::string(name), resolved_url(page, *link), std::nullopt};
        if (const std::size_t hash = link->find("#sha256="); hash != std::string::npos)
            f.sha256 = link->substr(hash + 8, 64);
        files.push_back(std::move(f));
    }
    return files;
}

/// Whether a file is the wheel of a package and version: "name-version-tags.whl".
inline bool is_wheel_of(const std::string& file, const std::string& name, const std::string& version) {
    const std::size_t first = file.find('-'), second = file.find('-', first + 1);
    return file.ends_with(".whl") && second != std::string::npos &&
           package_name(file.substr(0, first)) == package_name(name) &&
           file.substr(first + 1, second - first - 1) == version;
}

} // namespace detail

/// $PIP_INDEX_URL, or PyPI's. What it names is not checked here.
inline std::string package_index_url() {
    const char* own = std::getenv("PIP_INDEX_URL");
    return own && *own ? own : "https://pypi.org/simple/";
}

/// The files that an index's page lists. @param page  the URL the text came from
/// @throws io_error naming the page
inline std::vector<package_file> parse_index_page(const std::string& text, const std::string& page) {
    const std::size_t start = text.find_first_not_of(" \t\r\n");
    const bool html = start != std::string::npos && text[start] == '<';
    return html ? detail::parse_html_page(text, page) : detail::parse_json_page(text, page);
}

/// The wheel of "name==version": the one of that digest, else one for every machine, else the first.
/// @throws io_error naming package and page, where there is none
inline package_file choose_wheel(const std::vector<package_file>& files, const std::string& package,
                                 const std::optional<std::string>& sha256, const std::string& page) {
    const std::size_t at = package.find("==");
    if (at == std::string::npos) throw argument_error(package + ": expected \"name==version\"");
    const package_file* best = nullptr;
    std::string digests;
    for (const package_file& f : files) {
        if (!detail::is_wheel_of(f.name, package.substr(0, at), package.substr(at + 2))) continue;
        if (sha256 && f.sha256 && *f.sha256 != *sha256) {
            digests += (digests.empty() ? "" : ", ") + detail::one_line(f.sha256->substr(0, 64));
            continue;
        }
        const bool exact = sha256 && f.sha256, universal = f.name.ends_with("-none-any.whl");
        if (exact) return f;
        if (!best || (universal && !best->name.ends_with("-none-any.whl"))) best = &f;
    }
    if (best) return *best;
    if (!digests.empty())
        throw io_error("the package " + package + ": expected a wheel of SHA-256 " + *sha256 + ", found " + digests +
                       " at " + shown_url(page));
    throw io_error(
        "the package " + package + ": expected a wheel of that version at " + shown_url(page) + ", found " +
        (files.empty() ? std::string("no files") : std::to_string(files.size()) + " files, none of them it"));
}

/// Asks the index for the wheel of "name==version".
/// @throws io_error, argument_error where the index's URL is not allowed
inline package_file find_wheel(const std::string& package, const std::optional<std::string>& sha256,
                               const download_options& options = {}) {
    std::string page = package_index_url();
    if (!page.ends_with('/')) page += '/';
    page += detail::package_name(package.substr(0, package.find("=="))) + "/";
    constexpr std::size_t max_bytes = std::size_t{32} << 20;
    download_options o = options;
    o.size.reset();
    o.sha256.reset();
    o.accept = "application/vnd.pypi.simple.v1+json, text/html;q=0.1";
    return choose_wheel(parse_index_page(fetch_text(page, max_bytes, o), page), package, sha256, page);
}

} // namespace gpunet
