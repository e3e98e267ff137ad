package rpc

import (
	"jali/gateway/catalog"
	jaliv1 "jali/proto/jali/v1"
)

// groupLabelProto is a label of a grouping column; nil: the question is not grouped.
func groupLabelProto(v *catalog.Value) *jaliv1.GroupLabel {
	if v == nil {
		return nil
	}
	kind := map[catalog.Kind]string{catalog.Int: "integer", catalog.Fixed: "decimal", catalog.Day: "date", catalog.String: "text"}[v.Kind]
	return &jaliv1.GroupLabel{Kind: kind, Text: v.String()}
}
