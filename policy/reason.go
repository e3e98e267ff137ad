package policy

// Reason is one failed check of a refusal: a stable code, a sentence, and what the researcher can do.
type Reason struct {
	Code string `json:"code"`
	Text string `json:"text"`
	Hint string `json:"hint"`
}

// NoAgreement is the reason for an agreement that does not exist. The default bundle gives the same to whoever is not
// named in one that does, so that a stranger cannot tell the two apart.
func NoAgreement() Reason {
	return Reason{
		Code: "agreement",
		Text: "no agreement of this id is open to you",
		Hint: "check the id; ask your project lead whether your organisation and certificate name are listed in it",
	}
}

// unexplained is the reason when a bundle denies without one.
var unexplained = Reason{
	Code: "denied",
	Text: "the policy does not allow this query",
	Hint: "ask the custodian of the data, naming the policy digest",
}

// Limits of what a bundle may say in a refusal.
const (
	maxReasons    = 32
	maxReasonText = 4096
)
