package main

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"jali/gateway/catalog"
	"jali/gateway/engine"
)

// postgres examines the active versions that lie in PostgreSQL, each as the role that answers. It reads all their rows.
func (d *doctor) postgres(ctx context.Context, manifests map[string][]byte) {
	for _, id := range slices.Sorted(maps.Keys(manifests)) {
		m, err := engine.ParseManifest(manifests[id])
		if err != nil {
			d.check("manifest of dataset "+id, err, "import or attach the data again")
			continue
		}
		place, there, err := engine.FindPlace(d.layout.Data(id), m)
		if err != nil {
			d.check("place of dataset "+id, err, "attach the data again")
			continue
		}
		if !there {
			continue
		}
		cat, err := catalog.Load(d.layout.Catalog(id))
		if err != nil {
			continue // its own check tells
		}
		for _, f := range engine.Examine(ctx, place, cat, m) {
			if f.Warn {
				fmt.Fprintf(d.out, "warn  dataset %s: %s: %v\n      hint: %s\n", id, f.What, f.Err, f.Hint)
				continue
			}
			d.check("dataset "+id+": "+f.What, f.Err, f.Hint)
		}
	}
}
