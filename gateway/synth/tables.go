package synth

import "strconv"

// table writes the rows of one person as CSV lines.
type table struct {
	name   string
	header string
	rows   func(b []byte, p *person) []byte
}

var tables = []table{
	{"person", "person_id,sex,birth_date,region,scheme,conditions", personRows},
	{"enrolment", "person_id,year,region,scheme,months,contribution", enrolmentRows},
	{"pension", "person_id,year,kind,region,monthly", pensionRows},
	{"medical_claim", "person_id,claim_no,day,setting,icd,region,stay,amount", medicalRows},
	{"drug_claim", "person_id,dispensing_no,day,atc,packs,amount", drugRows},
	{"death", "person_id,day,cause", deathRows},
}

func personRows(b []byte, p *person) []byte {
	b = number(b, int64(p.id), ',')
	if p.female {
		b = append(b, "f,"...)
	} else {
		b = append(b, "m,"...)
	}
	b = day(b, p.born, ',')
	b = text(b, regions[p.region].code, ',')
	b = text(b, schemes[p.scheme], ',')
	return number(b, int64(len(p.ill)), '\n')
}

// regionIn is the region of insurance in a year: two in a hundred move each year.
func (p *person) regionIn(year int) int {
	s := p.row(tablePerson, 1)
	r := p.region
	for y := range year + 1 {
		if chance(s.bits(uint64(2*y)), 200) {
			r = int(below(s.bits(uint64(2*y+1)), uint64(len(regions))))
		}
	}
	return r
}

func enrolmentRows(b []byte, p *person) []byte {
	for y := range years {
		start, end := dayOf(int64(firstYear+y), 1, 1), dayOf(int64(firstYear+y+1), 1, 1)
		if p.died < start || p.born >= end {
			continue
		}
		s := p.row(tableEnrolment, uint64(y))
		months := int64(12)
		if p.died < end {
			months = (p.died - start + 30) * 12 / 365
		} else if chance(s.bits(0), 500) {
			months = 1 + int64(below(s.bits(1), 11))
		}
		months = max(0, min(12, months))
		// Monthly contribution in cents: 9 % of a log-normal income for the employed, a flat sum for residents, children free.
		var monthly int64
		switch {
		case p.age < 18:
		case p.scheme == 1:
			monthly = 4_500
		default:
			monthly = min(120_000, logNormal(s.bits(2), 101_700, 5_500)*9/12_000)
		}
		b = number(b, int64(p.id), ',')
		b = number(b, int64(firstYear+y), ',')
		b = text(b, regions[p.regionIn(y)].code, ',')
		b = text(b, schemes[p.scheme], ',')
		b = number(b, months, ',')
		b = cents(b, months*monthly, '\n')
	}
	return b
}

func pensionRows(b []byte, p *person) []byte {
	s := p.row(tablePension, 0)
	kind := -1
	switch {
	case p.age >= 66 && chance(s.bits(0), 9_200):
		kind = 0
	case p.age >= 20 && p.age < 64 && chance(s.bits(1), 210):
		kind = 1
	}
	survivor := p.age >= 60 && chance(s.bits(2), 700)
	// Four in a thousand pensions are paid by two regions at once: the double payment that scattered registers cannot see.
	twice := kind >= 0 && chance(s.bits(3), 40)
	monthly := min(800_000, logNormal(s.bits(4), 72_500, 4_500)/10)
	for y := range years {
		if p.died < dayOf(int64(firstYear+y), 1, 1) {
			break
		}
		line := func(kind, region int, cent int64) {
			b = number(b, int64(p.id), ',')
			b = number(b, int64(firstYear+y), ',')
			b = text(b, pensions[kind], ',')
			b = text(b, regions[region].code, ',')
			b = cents(b, cent, '\n')
		}
		indexed := monthly * int64(100+2*y) / 100
		if kind >= 0 {
			line(kind, p.region, indexed)
			if twice {
				line(kind, (p.region+1)%len(regions), indexed)
			}
		}
		if survivor {
			line(2, p.region, indexed*6/10)
		}
	}
	return b
}

// use is e^(mu + 0.7 frailty + 0.7 noise), plus what each chronic condition brings.
func (p *person) use(u uint64, mu, each, most int64) int64 {
	n := exp(mu+(7*p.frailty+7*normal(u))/10)/1000 + each*int64(len(p.ill))
	lived := p.died - max(firstDay, p.born)
	return max(0, min(most, n*lived/(endDay-firstDay)))
}

// stays are the inpatient claims of an elderly person over three years, 0 to 6, in 1/1,000 (cms180k).
var stays = []uint64{675, 195, 70, 30, 14, 7, 9}

func medicalRows(b []byte, p *person) []byte {
	first := p.row(tableMedical, 1<<20)
	inpatient := int64(weighted(first.bits(0), stays, 1_000))
	if p.age < 65 {
		inpatient = inpatient * int64(below(first.bits(1), 3)) / 3
	}
	mu := int64(15_500)
	if p.age >= 65 {
		mu = 20_500
	}
	n := min(maxClaims, inpatient+p.use(first.bits(2), mu, 3, 50))
	for k := range n {
		s := p.row(tableMedical, uint64(k))
		setting, stay, amount := 0, int64(-1), int64(0)
		switch {
		case k < inpatient:
			setting = 2
			stay = min(60, 1+logNormal(s.bits(0), 14_000, 8_000)/1000)
			amount = min(20_000_000, logNormal(s.bits(1), 80_000, 9_500)/10)
		case chance(s.bits(2), 600):
			setting = 1
			amount = min(20_000_000, logNormal(s.bits(1), 52_000, 9_000)/10)
		default:
			amount = min(20_000_000, logNormal(s.bits(1), 41_000, 10_000)/10)
		}
		icd := diagnoses.pick(s.bits(3))
		if len(p.ill) > 0 && chance(s.bits(4), 4_500) {
			c := chronics[p.ill[below(s.bits(5), uint64(len(p.ill)))]]
			icd = c.icd[below(s.bits(6), uint64(len(c.icd)))]
		}
		region := p.region
		if chance(s.bits(7), 400) {
			region = int(below(s.bits(8), uint64(len(regions))))
		}
		b = number(b, int64(p.id), ',')
		b = number(b, int64(p.id)*claimStep+k, ',')
		b = day(b, p.anyDay(s.bits(9)), ',')
		b = text(b, settings[setting], ',')
		b = text(b, icd, ',')
		b = text(b, regions[region].code, ',')
		if stay >= 0 {
			b = number(b, stay, ',')
		} else {
			b = append(b, ',')
		}
		b = cents(b, amount, '\n')
	}
	return b
}

func drugRows(b []byte, p *person) []byte {
	first := p.row(tableDrug, 1<<20)
	mu := int64(11_000)
	if p.age >= 65 {
		mu = 18_000
	}
	for k := range p.use(first.bits(0), mu, 5, maxDrugs) {
		s := p.row(tableDrug, uint64(k))
		atc := drugs.pick(s.bits(0))
		if len(p.ill) > 0 && chance(s.bits(1), 6_500) {
			c := chronics[p.ill[below(s.bits(2), uint64(len(p.ill)))]]
			atc = c.atc[below(s.bits(3), uint64(len(c.atc)))]
		}
		packs := 1 + int64(weighted(s.bits(4), []uint64{70, 18, 8, 2, 1, 1}, 100))
		b = number(b, int64(p.id), ',')
		b = number(b, int64(p.id)*drugStep+k, ',')
		b = day(b, p.anyDay(s.bits(5)), ',')
		b = text(b, atc, ',')
		b = number(b, packs, ',')
		b = cents(b, packs*min(1_000_000, logNormal(s.bits(6), 27_000, 9_000)/10), '\n')
	}
	return b
}

func deathRows(b []byte, p *person) []byte {
	if p.died == endDay {
		return b
	}
	s := p.row(tableDeath, 1)
	cause := diagnoses.pick(s.bits(0))
	if len(p.ill) > 0 && chance(s.bits(1), 8_000) {
		cause = chronics[p.ill[below(s.bits(2), uint64(len(p.ill)))]].icd[0]
	}
	b = number(b, int64(p.id), ',')
	b = day(b, p.died, ',')
	return text(b, cause, '\n')
}

func number(b []byte, n int64, end byte) []byte { return append(strconv.AppendInt(b, n, 10), end) }

func text(b []byte, s string, end byte) []byte { return append(append(b, s...), end) }

// cents writes an amount with two decimals.
func cents(b []byte, n int64, end byte) []byte {
	b = strconv.AppendInt(b, n/100, 10)
	return append(b, '.', byte('0'+n/10%10), byte('0'+n%10), end)
}

// dates holds every day that can occur, as text.
var dates = func() [][10]byte {
	var out [][10]byte
	for y := int64(birthFirst); y <= lastYear; y++ {
		for m := int64(1); m <= 12; m++ {
			next := dayOf(y, m+1, 1)
			if m == 12 {
				next = dayOf(y+1, 1, 1)
			}
			for d := range next - dayOf(y, m, 1) {
				out = append(out, [10]byte{
					byte('0' + y/1000), byte('0' + y/100%10), byte('0' + y/10%10), byte('0' + y%10), '-',
					byte('0' + m/10), byte('0' + m%10), '-', byte('0' + (d+1)/10), byte('0' + (d+1)%10),
				})
			}
		}
	}
	return out
}()

var datesFrom = dayOf(birthFirst, 1, 1)

func day(b []byte, n int64, end byte) []byte {
	return append(append(b, dates[n-datesFrom][:]...), end)
}
