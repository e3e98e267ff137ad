"""Generates src/jali/v1 from proto/: python generate.py PROTO_ROOT THIRD_PARTY_ROOT OUT.

Run with the pinned grpcio-tools of requirements-floor.lock (protoc 21.6): stubs made by a newer protoc do not load in older
protobuf runtimes, these load from 4.21 to the current one.

The rules of buf.validate and the REST paths of google.api are for the gateway; they are left out before generating, so that the package needs
neither module and does not clash with another copy of them in one process.
"""

import pathlib
import sys
import tempfile

from google.protobuf import descriptor_pb2
from grpc_tools import protoc

FILES = ["audit", "budget", "catalog", "cohort", "query", "study"]


def bare(file: descriptor_pb2.FileDescriptorProto) -> None:
    """Removes options and the imports that only options use."""
    kept = [d for d in file.dependency if d.startswith("jali/")]
    del file.dependency[:]
    file.dependency.extend(kept)
    file.ClearField("options")

    def message(m: descriptor_pb2.DescriptorProto) -> None:
        map_entry = m.options.map_entry
        m.ClearField("options")
        if map_entry:
            m.options.map_entry = True
        for f in m.field:
            deprecated = f.options.deprecated
            f.ClearField("options")
            if deprecated:
                f.options.deprecated = True
        for o in m.oneof_decl:
            o.ClearField("options")
        for nested in m.nested_type:
            message(nested)

    for m in file.message_type:
        message(m)
    for s in file.service:
        for method in s.method:
            method.ClearField("options")


def public(file: descriptor_pb2.FileDescriptorProto) -> None:
    """Of study.proto, which is served on the gateway's own socket, cohort.proto needs one message."""
    if file.name != "jali/v1/study.proto":
        return
    (study,) = [m for m in file.message_type if m.name == "Study"]
    del file.message_type[:], file.service[:], file.dependency[:]
    file.message_type.append(study)


def run(*arguments: str) -> None:
    if protoc.main(["protoc", *arguments]) != 0:
        raise SystemExit("protoc failed: " + " ".join(arguments))


def main(proto: str, third_party: str, out: str) -> None:
    names = [f"jali/v1/{name}.proto" for name in FILES]
    with tempfile.TemporaryDirectory() as scratch:
        whole = pathlib.Path(scratch, "whole.bin")
        include = str(pathlib.Path(protoc.__file__).parent / "_proto")
        run(f"-I{proto}", f"-I{third_party}", f"-I{include}", "--include_imports", f"--descriptor_set_out={whole}", *names)
        files = descriptor_pb2.FileDescriptorSet.FromString(whole.read_bytes())
        ours = descriptor_pb2.FileDescriptorSet()
        for file in files.file:
            if file.name in names:
                bare(file)
                public(file)
                ours.file.append(file)
        stripped = pathlib.Path(scratch, "ours.bin")
        stripped.write_bytes(ours.SerializeToString(deterministic=True))
        pathlib.Path(out).mkdir(parents=True, exist_ok=True)
        run(f"--descriptor_set_in={stripped}", f"--python_out={out}", f"--pyi_out={out}", f"--grpc_python_out={out}", *names)
    pathlib.Path(out, "jali/v1/study_pb2_grpc.py").unlink()  # no service
    pathlib.Path(out, "jali/v1/__init__.py").write_text('"""The wire contract, generated from proto/jali/v1 by tools/generate.py: do not edit."""\n')


if __name__ == "__main__":
    main(*sys.argv[1:])
