module jali/tools/nhefs

go 1.26.8
