module jali/tools/sbom

go 1.26.8
