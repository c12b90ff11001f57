"""Compiles one CUDA source to PTX for several architectures with the NVRTC of the installed wheel.

Arguments: the library, the folder of the sources, a source, the output folder, architectures.
Whatever the compiler has to say is an error, but for the notice that sm_70 is old.
"""

import ctypes
import pathlib
import sys

EXPECTED = "nvrtc: warning: Architectures prior to '<compute/sm>_75' are deprecated"


def text_of(library, program, size_of, get):
    """The text behind a pair of NVRTC functions, one for its size and one for itself."""
    size = ctypes.c_size_t()
    check(library, getattr(library, size_of)(program, ctypes.byref(size)), size_of)
    buffer = ctypes.create_string_buffer(size.value)
    check(library, getattr(library, get)(program, buffer), get)
    return buffer.value.decode()


def check(library, result, what):
    if result != 0:
        library.nvrtcGetErrorString.restype = ctypes.c_char_p
        sys.exit(f"{what}: {library.nvrtcGetErrorString(result).decode()}")


def compile_source(library, folder, source, architecture):
    """The PTX of a source for `compute_<architecture>`."""
    program = ctypes.c_void_p()
    text = (folder / source).read_bytes()
    created = library.nvrtcCreateProgram(
        ctypes.byref(program), text, source.encode(), 0, None, None
    )
    check(library, created, "nvrtcCreateProgram")
    options = [
        f"--gpu-architecture=compute_{architecture}",
        f"--include-path={folder}",
        "--std=c++17",
    ]
    array = (ctypes.c_char_p * len(options))(*[option.encode() for option in options])
    result = library.nvrtcCompileProgram(program, len(options), array)
    log = text_of(library, program, "nvrtcGetProgramLogSize", "nvrtcGetProgramLog")
    said = [line for line in log.splitlines() if line and not line.startswith(EXPECTED)]
    if result != 0 or said:
        sys.exit(f"{source} for compute_{architecture}:\n" + "\n".join(said))
    ptx = text_of(library, program, "nvrtcGetPTXSize", "nvrtcGetPTX")
    library.nvrtcDestroyProgram(ctypes.byref(program))
    return ptx


def main():
    path, folder, source, out, *architectures = sys.argv[1:]
    library = ctypes.CDLL(path)
    for architecture in architectures:
        ptx = compile_source(library, pathlib.Path(folder), source, architecture)
        name = f"{source.removesuffix('.cu')}.{architecture}.ptx"
        (pathlib.Path(out) / name).write_text(ptx)


main()
