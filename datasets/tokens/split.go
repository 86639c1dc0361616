package tokens

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"math"
	"sort"
)

// document is what is known of a document before it is encoded. The two words of its text's SHA-256 decide independently which
// split it belongs to and whether a tokenizer is trained on it, so that neither depends on other documents, on order or on a
// seed, and equal documents stay together.
type document struct {
	place, sample uint64
	size          int32
}

func newDocument(hash [sha256.Size]byte, size int) document {
	return document{binary.BigEndian.Uint64(hash[:]), binary.BigEndian.Uint64(hash[8:]), int32(size)}
}

// below returns the share of hashes that are less than the result, which is fraction.
func below(fraction float64) uint64 {
	return uint64(fraction * (1 << 64)) // exact: fraction is less than 1
}

// minValidation is how much text the validation split has at least, unless that is more than a tenth of all text.
const minValidation = 64 << 10

// splitAt returns the place under which documents are validation. That is the given fraction of all places. Where so little text
// lies there that nothing could be learned from it, the place moves up over further documents.
func splitAt(documents []document, fraction float64) (uint64, error) {
	if fraction == 0 {
		return 0, nil
	}
	at := below(fraction)
	var total, held int64
	for _, d := range documents {
		total += int64(d.size)
		if d.place < at {
			held += int64(d.size)
		}
	}
	if held == total {
		at, held = 0, 0
	}
	if least := min(minValidation, total/10); held < least || held == 0 {
		above := make([]document, 0, len(documents))
		for _, d := range documents {
			if d.place >= at {
				above = append(above, d)
			}
		}
		sort.Slice(above, func(i, j int) bool { return above[i].place < above[j].place })
		for i, d := range above {
			first := i == 0 || d.place != above[i-1].place // of those with the same hash, which stay together
			last := d.place == above[len(above)-1].place   // which training needs
			if first && (last || held >= least && held > 0) {
				at = d.place
				break
			}
			held += int64(d.size)
		}
	}
	if held == 0 {
		return 0, errors.New("one document is too little for a training and a validation split: divide it with document: paragraph " +
			"or line or a smaller max_document_bytes, add documents, or set validation_fraction: 0")
	}
	return at, nil
}

// sampleUpTo returns the sample word up to which documents of the training split make up limit bytes of text, or all there are.
func sampleUpTo(documents []document, splitAt uint64, limit int64) uint64 {
	var train []document
	var total int64
	for _, d := range documents {
		if d.place >= splitAt {
			total += int64(d.size)
			train = append(train, d)
		}
	}
	if total > limit {
		sort.Slice(train, func(i, j int) bool { return train[i].sample < train[j].sample })
		for _, d := range train {
			if limit -= int64(d.size); limit <= 0 {
				return d.sample
			}
		}
	}
	return math.MaxUint64
}
