package gateway

import (
	"fmt"
	"os"

	"jali/gateway/protect"
)

// AuditMemory looks, in a state directory that may be served at the same time, for what organisations could work out from all they have
// been told about a population in mode sdc (protect.Memory.Audit). It only reads.
func AuditMemory(d Layout, population string, k int64) ([]protect.Exposure, error) {
	b, err := os.ReadFile(d.Memory(population))
	if err != nil {
		return nil, fmt.Errorf("read memory of population %s: %w", population, err)
	}
	m := &memory{cells: &protect.Memory{}, refused: map[string]int64{}}
	if _, _, err := m.read(b, ""); err != nil {
		return nil, err
	}
	return m.cells.Audit(k), nil
}
