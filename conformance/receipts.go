package conformance

import (
	"embed"
	"fmt"
	"io"
	"strings"

	"github.com/seedbed/seedbed/conformance/report"
)

// committed holds the receipts of this version of the ABI, a file a profile,
// as WriteReceipt writes it for the reference.
//
//go:embed receipts/*.txt
var committed embed.FS

// receiptSeed is the seed of the committed receipts.
const receiptSeed = 1

// WriteReceipt writes a report's receipt and the hash of each unit under it.
func WriteReceipt(w io.Writer, rep *report.Report) error {
	if rep.Receipt == "" {
		return fmt.Errorf("there is no receipt: %s", rep.NoReceipt)
	}
	var b strings.Builder
	fmt.Fprintln(&b, rep.Receipt)
	for _, u := range rep.Units {
		if u.Hash != "" {
			fmt.Fprintf(&b, "%s  %s/%s\n", u.Hash, u.Suite, u.Name)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// Committed returns the committed receipt of a profile, empty where there is
// none, and the hash of each unit ("suite/name") under it.
func Committed(profile string) (receipt string, units map[string]string) {
	text, err := committed.ReadFile("receipts/" + profile + ".txt")
	if err != nil {
		return "", nil
	}
	receipt, rest, _ := strings.Cut(string(text), "\n")
	units = map[string]string{}
	for line := range strings.Lines(rest) {
		if hash, name, ok := strings.Cut(strings.TrimSpace(line), "  "); ok {
			units[name] = hash
		}
	}
	return receipt, units
}

// holdToReceipt adds a failure for every unit whose results are not those of
// the committed receipt. A unit that passed agrees with the reference of this
// very build, so it is then the reference, the compiler or the machine that
// computes something else than where the receipt was made.
func holdToReceipt(rep *report.Report) {
	_, want := Committed(rep.Profile)
	if rep.Seed != receiptSeed || rep.Only != "" {
		return
	}
	for _, u := range rep.Units {
		if w, ok := want[u.Suite+"/"+u.Name]; ok && u.Hash != "" && u.Failed == 0 && u.Skipped == 0 && w != u.Hash {
			rep.Failures = append(rep.Failures, report.Failure{Suite: u.Suite, Unit: u.Name, Case: u.Suite + "/" + u.Name,
				Message: fmt.Sprintf("every case agrees with this build's reference, but their hash is %s and the committed receipt of profile %s has %s", u.Hash, rep.Profile, w)})
		}
	}
}
