package synth

import (
	_ "embed"
	"slices"
	"strings"
)

//go:embed icd10.txt
var icdText string

//go:embed atc.txt
var atcText string

// Code is one entry of a code list.
type Code struct{ Code, Name string }

// ICD10 and ATC are the code lists of medical_claim.icd and drug_claim.atc, ascending.
var (
	ICD10 = readCodes(icdText)
	ATC   = readCodes(atcText)
)

func readCodes(text string) []Code {
	var out []Code
	for line := range strings.Lines(text) {
		code, name, _ := strings.Cut(strings.TrimSpace(line), " ")
		out = append(out, Code{code, name})
	}
	return out
}

// zipf gives the codes frequencies 1/rank, as cumulated weights: first the common ones in their order, then the others in a
// fixed shuffle.
type zipf struct {
	codes      []Code
	cumulative []uint64
}

func newZipf(codes []Code, salt uint64, common ...string) *zipf {
	z := &zipf{codes: slices.Clone(codes)}
	rank := map[string]uint64{}
	for i, c := range codes {
		rank[c.Code] = 1<<63 | spread(salt+uint64(i)*0x9e3779b97f4a7c15)>>1
		if at := slices.Index(common, c.Code); at >= 0 {
			rank[c.Code] = uint64(at)
		}
	}
	slices.SortFunc(z.codes, func(a, b Code) int {
		if rank[a.Code] < rank[b.Code] {
			return -1
		}
		return 1
	})
	var sum uint64
	for i := range z.codes {
		sum += 1_000_000 / uint64(i+1)
		z.cumulative = append(z.cumulative, sum)
	}
	return z
}

func (z *zipf) pick(u uint64) string {
	x := below(u, z.cumulative[len(z.cumulative)-1])
	i, found := slices.BinarySearch(z.cumulative, x)
	if found {
		i++
	}
	return z.codes[i].Code
}

var (
	diagnoses = newZipf(ICD10, 10, "I10", "M54", "J06", "E78", "Z00", "K21", "R10", "J20", "N39", "H52", "M25", "K29", "F41", "J30",
		"E03", "M47", "Z01", "L30", "J45", "G43", "H25", "F43", "R51", "K02")
	drugs = newZipf(ATC, 5, "C10AA", "A02BC", "N02BE", "C09AA", "M01AE", "J01CA", "B01AC", "C08CA", "C07AB", "H03AA", "R06AE", "N06AB",
		"R03AC", "J01FA", "N05BA")
)

// chronic is a long-term condition: its share of the elderly in 1/10,000 (cms180k, 2008), and the codes it brings.
type chronic struct {
	share uint64
	icd   []string
	atc   []string
}

var chronics = []chronic{
	{1920, []string{"G30", "F00"}, []string{"N06DA", "N06DX"}},
	{2850, []string{"I50"}, []string{"C03CA", "C09AA", "C07AB", "C03DA"}},
	{1600, []string{"N18"}, []string{"C09CA", "B03AA", "C03CA"}},
	{640, []string{"C50", "C61", "C18", "C34"}, []string{"L02BG", "L02AE", "N02AA"}},
	{1350, []string{"J44"}, []string{"R03BB", "R03AK", "R03AC"}},
	{2130, []string{"F32", "F33"}, []string{"N06AB", "N06AX", "N06AA"}},
	{3790, []string{"E11"}, []string{"A10BA", "A10BB", "A10BH", "A10AE", "A10BK"}},
	{4180, []string{"I25", "I20"}, []string{"C10AA", "B01AC", "C07AB", "C01DA"}},
	{1740, []string{"M81"}, []string{"M05BA", "A11CC", "A12AA"}},
	{1530, []string{"M06", "M17"}, []string{"M01AE", "M01AH", "L04AX"}},
	{450, []string{"I63", "I69"}, []string{"B01AC", "C10AA", "B01AF"}},
}
