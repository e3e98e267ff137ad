package protect

import (
	"errors"
	"fmt"
	"math/big"

	"jali/crypto/noise"
	"jali/gateway/catalog"
)

// ErrSpec: a specification does not hold together. It is made without data, so the text may say what is wrong.
var ErrSpec = errors.New("release specification")

const (
	// maxCells bounds the domain; policy sets a lower limit.
	maxCells = 1_000_000
	// maxDecimals is what int64 scaled units allow.
	maxDecimals = 18
)

// checked is a Spec that holds together, with what every release needs.
type checked struct {
	Spec
	cells   int // of the public domain
	private bool
	gauss   []*noise.Gaussian
	spread  []float64 // per item: see spread
	count   int       // the item Min compares with; -1: none
}

// Check reports what Release would refuse the specification for. Call it before charging: a charge is not refunded.
func (s Spec) Check() error {
	_, err := check(s)
	return err
}

func check(s Spec) (*checked, error) {
	c := &checked{Spec: s, cells: 1, count: -1}
	if err := c.checkGroups(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSpec, err)
	}
	if err := c.checkItems(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSpec, err)
	}
	if err := c.checkOutputs(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSpec, err)
	}
	if s.Min < 0 {
		return nil, fmt.Errorf("%w: minimum count is negative", ErrSpec)
	}
	c.count = c.countItem()
	return c, nil
}

func (c *checked) checkGroups() error {
	for _, d := range c.Groups {
		if d.Private {
			if d.Labels != nil {
				return fmt.Errorf("group %s is private and lists labels", d.Name)
			}
			c.private = true
			continue
		}
		if len(d.Labels) == 0 {
			return fmt.Errorf("group %s has no labels", d.Name)
		}
		if err := distinctLabels(d); err != nil {
			return err
		}
		if c.cells *= len(d.Labels); c.cells > maxCells || len(d.Labels) > maxCells {
			return fmt.Errorf("more than %d cells", maxCells)
		}
	}
	if c.private != (c.Threshold != nil) {
		return errors.New("private keys need a threshold, and only they")
	}
	if t := c.Threshold; t != nil {
		// P[Y >= 0] is above one half, so a threshold of 1 would show that a single person exists.
		if t.Item < 0 || t.Item >= len(c.Items) || t.K < 1 || t.Tau < 2 {
			return errors.New("threshold is out of range")
		}
	}
	return nil
}

// distinctLabels looks for repetitions. Most long lists are of growing numbers, which cannot repeat; others are looked at one by one.
func distinctLabels(d Domain) error {
	at := 0
	for at < len(d.Labels) && d.Labels[at].Kind == catalog.Int && (at == 0 || d.Labels[at].N > d.Labels[at-1].N) {
		at++
	}
	if rest := d.Labels[at:]; at > 0 && (len(rest) == 0 || len(rest) == 1 && rest[0].Kind == catalog.Null) {
		return nil
	}
	seen := make(map[catalog.Value]bool, len(d.Labels))
	for i, v := range d.Labels {
		if seen[v] {
			return fmt.Errorf("group %s repeats a label", d.Name)
		}
		if v.Kind == catalog.Null && i != len(d.Labels)-1 || v.Kind != catalog.Null && v.Kind != d.Labels[0].Kind {
			return fmt.Errorf("group %s mixes kinds of labels, or has NULL before the last", d.Name)
		}
		seen[v] = true
	}
	return nil
}

func (c *checked) checkItems() error {
	if len(c.Items) == 0 {
		return errors.New("no items")
	}
	for _, it := range c.Items {
		if it.Block < 0 || it.Block > 1 && (c.private || len(c.Groups) == 0) {
			return fmt.Errorf("item %s takes blocks of cells that are not there", it.Name)
		}
		g, err := noise.NewGaussian(it.Sigma2)
		if err != nil {
			return fmt.Errorf("item %s: %w", it.Name, err)
		}
		c.gauss = append(c.gauss, g)
		c.spread = append(c.spread, spread(g))
	}
	return nil
}

func (c *checked) checkOutputs() error {
	if len(c.Outputs) == 0 {
		return errors.New("no outputs")
	}
	for _, o := range c.Outputs {
		if o.Decimals < 0 || o.Decimals > maxDecimals {
			return fmt.Errorf("output %s has %d decimals", o.Name, o.Decimals)
		}
		if o.Kind == OutGroup {
			if o.Group < 0 || o.Group >= len(c.Groups) {
				return fmt.Errorf("output %s names no group", o.Name)
			}
			continue
		}
		used, err := o.items()
		if err != nil {
			return err
		}
		for i, item := range used {
			if item < 0 || item >= len(c.Items) {
				return fmt.Errorf("output %s names no item", o.Name)
			}
			for _, other := range used[:i] {
				if item == other {
					return fmt.Errorf("output %s uses an item twice", o.Name)
				}
			}
		}
		if o.Kind == OutSum && o.Center != 0 {
			return fmt.Errorf("output %s is a sum that is not centred at 0", o.Name)
		}
	}
	return nil
}

// items are the items a measure derives from.
func (o Output) items() ([]int, error) {
	switch o.Kind {
	case OutCount:
		return []int{o.N}, nil
	case OutSum:
		return []int{o.S}, nil
	case OutMean:
		return []int{o.N, o.S}, nil
	case OutVar, OutSD:
		return []int{o.N, o.S, o.Q}, nil
	}
	return nil, fmt.Errorf("output %s is of no known kind", o.Name)
}

// countItem chooses what Min compares with: see Spec.Min.
func (c *checked) countItem() int {
	var counts []int
	if c.Threshold != nil {
		counts = append(counts, c.Threshold.Item)
	}
	for _, o := range c.Outputs {
		switch o.Kind {
		case OutCount, OutMean, OutVar, OutSD:
			counts = append(counts, o.N)
		}
	}
	for _, name := range []string{ItemPersons, ItemRows} {
		for _, i := range counts {
			if c.Items[i].Name == name {
				return i
			}
		}
	}
	if len(counts) > 0 {
		return counts[0]
	}
	return -1
}

// atLeast reports n >= m.
func atLeast(n *big.Int, m int64) bool { return n.Cmp(big.NewInt(m)) >= 0 }
