package cohort

import (
	"testing"

	"github.com/tuneinsight/lattigo/v5/core/rlwe"
	"github.com/tuneinsight/lattigo/v5/schemes/bgv"
)

// TestA8SenderChosenScale shows on the library's stock API what a scale chosen by the sender does: with scale 0 the gateway's
// noise is multiplied by 0 on the way in, without an error. It is why no scale, level, degree or flag exists on our wire, and
// why TestRingOnly keeps the library's schemes out. Our own upload has one length and no field for anything (TestUploadErrors).
func TestA8SenderChosenScale(t *testing.T) {
	params, err := bgv.NewParametersFromLiteral(bgv.ParametersLiteral{LogN: 10, LogQ: []int{51, 51}, PlaintextModulus: sets[0].t})
	must(t, err)
	sk := rlwe.NewKeyGenerator(params).GenSecretKeyNew()
	encoder := bgv.NewEncoder(params)
	answer := func(change bool) uint64 {
		pt := bgv.NewPlaintext(params, params.MaxLevel())
		must(t, encoder.Encode([]uint64{500}, pt))
		ct, err := rlwe.NewEncryptor(params, sk).EncryptNew(pt)
		must(t, err)
		honest := ct.Scale
		if change {
			ct.Scale = rlwe.NewScale(0) // what UnmarshalBinary takes from the sender
		}
		noise := make([]uint64, params.MaxSlots())
		noise[0] = 77
		must(t, bgv.NewEvaluator(params, nil).Add(ct, noise, ct))
		ct.Scale = honest
		got := make([]uint64, params.MaxSlots())
		must(t, encoder.Decode(rlwe.NewDecryptor(params, sk).DecryptNew(ct), got))
		return got[0]
	}
	if got := answer(false); got != 577 {
		t.Fatalf("honest scale: %d, want 577", got)
	}
	if got := answer(true); got != 500 {
		t.Fatalf("scale 0: %d, want 500: the library changed, and the reason for our own wire format with it", got)
	}
}
