package synth

// The observed years, and the day that ages are counted at.
const (
	firstYear = 2021
	lastYear  = 2023
	years     = lastYear - firstYear + 1
)

var (
	firstDay = dayOf(firstYear, 1, 1)
	endDay   = dayOf(lastYear+1, 1, 1) // exclusive
)

// Limits of one person, as the catalogue declares them. Changing one changes the data.
const (
	maxClaims  = 60 // medical claims of a person: claim numbers are person_id * 64 + place
	maxDrugs   = 100
	claimStep  = 64
	drugStep   = 128
	maxAge     = 99
	birthFirst = lastYear - maxAge - 1
)

var regions = []struct {
	code, name, part string
	weight           uint64
}{
	{"r01", "Aldermoor", "north", 1450},
	{"r02", "Brackwater", "north", 620},
	{"r03", "Caldermark", "north", 480},
	{"r04", "Dunhollow", "centre", 1900},
	{"r05", "Eastvale", "centre", 1120},
	{"r06", "Fernmouth", "centre", 830},
	{"r07", "Greyshore", "south", 1240},
	{"r08", "Hartland", "south", 760},
	{"r09", "Ironford", "south", 590},
	{"r10", "Juniper Coast", "islands", 410},
	{"r11", "Kestrel Isles", "islands", 320},
	{"r12", "Lowmere", "islands", 280},
}

var (
	schemes  = []string{"employee", "resident", "civil"}
	settings = []string{"outpatient", "emergency", "inpatient"}
	pensions = []string{"old_age", "disability", "survivor"}
)

// agePyramid is the share of each five-year band from 0, in 1/10,000: an assumption, an ageing industrial population.
var agePyramid = []uint64{500, 520, 520, 530, 570, 620, 680, 680, 650, 640, 690, 720, 680, 600, 500, 380, 280, 160, 60, 20}

// deathsPerYear is the yearly mortality by ten-year band, in 1/100,000, before frailty: an assumption.
var deathsPerYear = []uint64{30, 20, 60, 90, 200, 500, 1200, 2900, 8500, 22000}

// table numbers are part of every hash: never reuse one.
const (
	tablePerson = iota + 1
	tableEnrolment
	tablePension
	tableMedical
	tableDrug
	tableDeath
)

// person is what the other tables depend on.
type person struct {
	id      uint64
	female  bool
	born    int64 // day
	age     int64 // at the end of the last year, had the person lived
	region  int
	scheme  int
	died    int64 // day; endDay if alive
	frailty int64 // standard normal, 1/10,000: one latent variable behind conditions, claims and death
	ill     []int // indices into chronics
	seed    uint64
}

func (p *person) row(table, row uint64) source { return of(p.seed, p.id, table, row) }

func makePerson(seed, id uint64) *person {
	p := &person{id: id, seed: seed, died: endDay}
	s := p.row(tablePerson, 0)
	band := weighted(s.bits(0), agePyramid, 10_000)
	p.age = int64(band)*5 + int64(below(s.bits(1), 5))
	p.born = endDay - 1 - p.age*1461/4 - int64(below(s.bits(2), 365))
	share := uint64(4900)
	if p.age >= 65 {
		share = 5552 // cms180k, 2008
	}
	p.female = chance(s.bits(3), share)
	x := below(s.bits(4), 10_000)
	for x >= regions[p.region].weight {
		x -= regions[p.region].weight
		p.region++
	}
	switch {
	case p.age < 18 || p.age >= 65 && chance(s.bits(5), 4000):
		p.scheme = 1
	default:
		p.scheme = weighted(s.bits(6), []uint64{6200, 3100, 700}, 10_000)
	}
	p.frailty = normal(s.bits(7))
	for i, c := range chronics {
		// Loading 0.6 on frailty; the threshold is the share of the elderly, scaled down for the younger.
		z := (6*p.frailty + 8*normal(s.bits(8+uint64(i)))) / 10
		if z > threshold(c.share*ageFactor(p.age)/100) {
			p.ill = append(p.ill, i)
		}
	}
	p.died = p.deathDay()
	return p
}

// ageFactor scales chronic shares, in percent of the elderly's: an assumption.
func ageFactor(age int64) uint64 {
	switch {
	case age < 30:
		return 4
	case age < 50:
		return 15
	case age < 65:
		return 45
	}
	return 100
}

// threshold is the normal quantile of 1 - p/10,000.
func threshold(p uint64) int64 { return normal((10_000 - min(p, 9_999)) * (1 << 63 / 5_000)) }

func (p *person) deathDay() int64 {
	s := p.row(tableDeath, 0)
	for y := range int64(years) {
		age := max(0, p.age-(years-1-y))
		rate := deathsPerYear[min(age/10, 9)] * uint64(exp(p.frailty/2)) / 1000
		if below(s.bits(uint64(y)), 100_000) < rate {
			from := max(dayOf(firstYear+y, 1, 1), p.born)
			return from + int64(below(s.bits(10+uint64(y)), uint64(max(1, dayOf(firstYear+y+1, 1, 1)-from))))
		}
	}
	return endDay
}

// anyDay is a day of observation on which the person lives.
func (p *person) anyDay(u uint64) int64 {
	from := max(firstDay, p.born)
	return from + int64(below(u, uint64(max(1, p.died-from))))
}

// dayOf counts days since 1970-01-01 of the proleptic Gregorian calendar.
func dayOf(y, m, d int64) int64 {
	if m <= 2 {
		y, m = y-1, m+12
	}
	return y/400*146097 + y%400*365 + y%400/4 - y%400/100 + (153*(m-3)+2)/5 + d - 1 - 719468
}
