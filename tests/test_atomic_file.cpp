#include "weights_support.hpp"

#include <gpunet/atomic_file.hpp>
#include <gpunet/weights/mapped_file.hpp>

#include <catch2/catch.hpp>
#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <string>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

namespace test_atomic_file { // tests of a program are compiled together

using Catch::Contains;
using gpunet::atomic_file;
using gpunet::mapped_file;
using test::message_of;

namespace {

/// Whether the file system of a folder has files without a name.
bool has_unnamed_files(const std::filesystem::path& folder) {
    const int file = ::open(folder.c_str(), O_WRONLY | O_TMPFILE | O_CLOEXEC, 0600);
    if (file >= 0) ::close(file);
    return file >= 0;
}

} // namespace

TEST_CASE("an atomic file appears when it is committed") {
    const test::temporary_folder folder;
    const auto path = folder / "out.bin";
    atomic_file file(path);
    file.write("one ");
    file.write(test::bytes_of("two"));
    CHECK_FALSE(std::filesystem::exists(path));
    CHECK(folder.entries() == (has_unnamed_files(folder / ".") ? 0 : 1)); // the temporary, in the same folder
    file.commit();
    CHECK(test::file_content(path) == "one two");
    CHECK(folder.entries() == 1);
    CHECK_THROWS_AS(file.write("more"), gpunet::argument_error);
    CHECK_THROWS_AS(file.commit(), gpunet::argument_error);
    CHECK(test::file_content(path) == "one two");
}

TEST_CASE("an atomic file that is not committed leaves nothing behind") {
    const test::temporary_folder folder;
    const auto path = folder / "out.bin";
    test::write_file(path, "old");
    {
        atomic_file file(path);
        file.write("new");
    }
    CHECK(test::file_content(path) == "old");
    CHECK(folder.entries() == 1);
    {
        atomic_file file(path);
        file.write("new");
        file.commit();
    }
    CHECK(test::file_content(path) == "new");
    CHECK(folder.entries() == 1);
}

TEST_CASE("an atomic file has the permissions that the umask leaves") {
    const test::temporary_folder folder;
    const auto old = ::umask(027);
    atomic_file file(folder / "out");
    file.commit();
    ::umask(old);
    struct ::stat status {};
    REQUIRE(::stat((folder / "out").c_str(), &status) == 0);
    CHECK((status.st_mode & 0777U) == 0640U);
}

TEST_CASE("targets that cannot be written are named") {
    const test::temporary_folder folder;
    CHECK_THAT(message_of<gpunet::io_error>([&] { atomic_file file(folder / "absent/out.bin"); }),
               Contains("absent/out.bin") && Contains("No such file or directory"));
    std::filesystem::create_directory(folder / "sub");
    CHECK_THAT(message_of<gpunet::io_error>([&] { atomic_file file(folder / "sub"); }),
               Contains("sub: cannot be written: it is a directory"));
    CHECK(folder.entries() == 1);

    // A folder takes the target's place meanwhile: the rename fails.
    atomic_file file(folder / "late");
    file.write("x");
    std::filesystem::create_directory(folder / "late");
    CHECK_THAT(message_of<gpunet::io_error>([&] { file.commit(); }), Contains("late: cannot rename the finished file"));
    CHECK(folder.entries() == 2);
}

TEST_CASE("a full disk is reported and leaves nothing behind") {
    const test::temporary_folder folder;
    ::rlimit before{};
    REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
    const auto handler = std::signal(SIGXFSZ, SIG_IGN);
    const ::rlimit small{1000, before.rlim_max};
    std::string message;
    {
        atomic_file file(folder / "big");
        REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
        message = message_of<gpunet::io_error>([&] { file.write(std::string(5000, 'x')); });
        ::setrlimit(RLIMIT_FSIZE, &before);
    }
    std::signal(SIGXFSZ, handler);
    CHECK_THAT(message, Contains("big: cannot write: File too large"));
    CHECK(folder.entries() == 0);
}

TEST_CASE("a program killed while it writes leaves what was there and nothing else") {
    const test::temporary_folder folder;
    if (!has_unnamed_files(folder / ".")) return;
    test::write_file(folder / "out", "earlier");
    const ::pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        atomic_file file(folder / "out");
        file.write(std::string(100'000, 'x'));
        ::kill(::getpid(), SIGKILL);
        ::_exit(1);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status));
    CHECK(test::file_content(folder / "out") == "earlier");
    CHECK(folder.entries() == 1);
}

TEST_CASE("files are mapped") {
    const test::temporary_folder folder;
    test::write_file(folder / "a", "some bytes");
    test::write_file(folder / "empty", "");
    mapped_file file(folder / "a");
    const auto as_string = [](const mapped_file& m) {
        return std::string(reinterpret_cast<const char*>(m.bytes().data()), m.bytes().size());
    };
    CHECK(as_string(file) == "some bytes");
    mapped_file moved(std::move(file));
    CHECK(as_string(moved) == "some bytes");
    mapped_file other(folder / "empty");
    CHECK(other.bytes().empty());
    other = std::move(moved);
    CHECK(as_string(other) == "some bytes");
}

TEST_CASE("what cannot be mapped is named, with the reason") {
    const test::temporary_folder folder;
    CHECK_THAT(message_of<gpunet::io_error>([&] { mapped_file file(folder / "absent"); }),
               Contains("absent: cannot be opened: No such file or directory"));
    std::filesystem::create_directory(folder / "sub");
    CHECK_THAT(message_of<gpunet::io_error>([&] { mapped_file file(folder / "sub"); }),
               Contains("sub: cannot be read: Is a directory"));
    REQUIRE(::mkfifo((folder / "pipe").c_str(), 0600) == 0);
    CHECK_THAT(message_of<gpunet::io_error>([&] { mapped_file file(folder / "pipe"); }),
               Contains("pipe: expected a regular file"));
}

} // namespace test_atomic_file
