"""Puts the shared library of encrypted questions into the wheel when JALI_COHORT_LIBRARY names it."""

import os
import pathlib
import sysconfig

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CustomBuildHook(BuildHookInterface):
    def initialize(self, version, build_data):
        library = os.environ.get("JALI_COHORT_LIBRARY")
        if not library:
            return
        path = pathlib.Path(library).resolve(strict=True)
        build_data["force_include"][str(path)] = "jali/cohort/" + path.name
        build_data["pure_python"] = False
        # It calls no Python, so any version of Python 3 can load it.
        build_data["tag"] = "py3-none-" + sysconfig.get_platform().replace("-", "_").replace(".", "_")
