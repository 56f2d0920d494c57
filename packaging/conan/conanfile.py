"""The Conan 2 recipe of the source tree it is part of: headers, models and the library's own CMake package."""
import os
import re

from conan import ConanFile
from conan.tools.cmake import CMake, CMakeToolchain
from conan.tools.build import check_min_cppstd
from conan.tools.files import copy, load, rmdir
from conan.tools.system.package_manager import Apt

# Of each component: what Conan has of what it needs.
COMPONENTS = {
    "cpu": [],
    "cudnn": [],
    "hub": ["libcurl/[>=7.85 <9]", "openssl/[>=3 <4]", "libzip/[>=1.7 <2]"],
    "image": ["libjpeg-turbo/[>=2.1 <4]", "libpng/[>=1.6 <2]"],
    "onnx": ["onnx/[>=1.12 <2]", "protobuf/[>=3.21 <4]"],
}


class GpunetRecipe(ConanFile):
    name = "gpunet"
    license = "Apache-2.0"
    description = "NVIDIA's GPUNet networks, chosen by latency budget and run on the GPU or the CPU"
    topics = ("inference", "image-classification", "gpunet", "header-only")
    package_type = "header-library"
    settings = "os", "arch", "compiler", "build_type"
    options = {component: [True, False] for component in COMPONENTS}
    default_options = {component: False for component in COMPONENTS}
    generators = "CMakeDeps", "PkgConfigDeps"
    no_copy_source = True

    def _tree(self):
        return os.path.join(self.recipe_folder, "..", "..")

    def set_version(self):
        header = load(self, os.path.join(self._tree(), "include", "gpunet", "version.hpp"))
        self.version = re.search(r'version = "([^"]+)"', header)[1]

    def export_sources(self):
        for pattern in ["CMakeLists.txt", "LICENSE", "cmake/*", "include/*", "models/*.json"]:
            copy(self, pattern, self._tree(), self.export_sources_folder)

    def requirements(self):
        self.requires("nlohmann_json/[>=3.11 <4]", transitive_headers=True)
        for component, needed in COMPONENTS.items():
            for reference in needed if self.options.get_safe(component) else []:
                self.requires(reference, transitive_headers=True, transitive_libs=True)

    def system_requirements(self):
        if self.options.cpu:
            Apt(self).install(["libdnnl-dev"])

    def validate(self):
        if self.settings.get_safe("compiler.cppstd"):
            check_min_cppstd(self, 20)

    def package_id(self):
        self.info.settings.clear()

    def generate(self):
        toolchain = CMakeToolchain(self)
        for variable in ["TOOLS", "EXAMPLES", "TESTS"]:
            toolchain.cache_variables[f"GPUNET_BUILD_{variable}"] = False
        for component in COMPONENTS:
            toolchain.cache_variables[f"GPUNET_WITH_{component.upper()}"] = bool(self.options.get_safe(component))
        toolchain.generate()

    def build(self):
        CMake(self).configure()

    def package(self):
        CMake(self).install()
        copy(self, "LICENSE", self.source_folder, os.path.join(self.package_folder, "licenses"))
        rmdir(self, os.path.join(self.package_folder, "share", "doc"))

    def package_info(self):
        self.cpp_info.bindirs = []
        self.cpp_info.libdirs = []
        # find_package(gpunet COMPONENTS ...) is answered by the package's own files, as everywhere.
        self.cpp_info.set_property("cmake_find_mode", "none")
        self.cpp_info.builddirs = [os.path.join("share", "cmake", "gpunet")]
