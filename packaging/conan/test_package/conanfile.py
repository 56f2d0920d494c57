import os

from conan import ConanFile
from conan.tools.build import can_run
from conan.tools.cmake import CMake, CMakeToolchain, cmake_layout


class GpunetTest(ConanFile):
    settings = "os", "arch", "compiler", "build_type"
    generators = "CMakeDeps", "PkgConfigDeps"

    def requirements(self):
        self.requires(self.tested_reference_str)

    def layout(self):
        cmake_layout(self)

    def generate(self):
        options = self.dependencies["gpunet"].options
        toolchain = CMakeToolchain(self)
        toolchain.cache_variables["COMPONENTS"] = ";".join(["gpunet", *(o for o, value in options.items() if value == "True")])
        toolchain.generate()

    def build(self):
        cmake = CMake(self)
        cmake.configure()
        cmake.build()

    def test(self):
        if can_run(self):
            models = os.path.join(self.dependencies["gpunet"].package_folder, "share", "gpunet", "models")
            program = os.path.join(self.cpp.build.bindir, "example")
            self.run(f"{program} {models}/GPUNet-0.json", env="conanrun")
