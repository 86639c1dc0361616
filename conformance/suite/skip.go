package suite

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path"
	"time"
)

// Skip excuses cases from passing until a day.
type Skip struct {
	// Cases is a pattern over the names of cases, as package path matches: a *
	// does not cross a slash. "ops/sort/f16/*" is all of a unit.
	Cases string `json:"cases"`
	// Reason says why the cases do not pass, URL where that is tracked.
	Reason string `json:"reason"`
	URL    string `json:"url"`
	// Expires is the last day, such as 2027-01-31, on which it counts.
	Expires string `json:"expires"`
}

const maxSkipBytes = 1 << 20

// ReadSkips reads a skip file: a JSON list of Skip in which every field is
// given. A skip that has expired is an error: fix the cases or decide anew.
func ReadSkips(r io.Reader, today time.Time) ([]Skip, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxSkipBytes+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxSkipBytes {
		return nil, fmt.Errorf("a skip file has at most %d bytes", maxSkipBytes)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	var skips []Skip
	if err := d.Decode(&skips); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the list of skips")
	}
	for i, s := range skips {
		if err := s.check(today); err != nil {
			return nil, fmt.Errorf("skip %d (%q): %w", i, s.Cases, err)
		}
	}
	return skips, nil
}

func (s Skip) check(today time.Time) error {
	if _, err := path.Match(s.Cases, ""); err != nil || s.Cases == "" {
		return errors.New(`"cases" must be a pattern such as "ops/sort/f16/*"`)
	}
	if len(s.Reason) < 8 {
		return errors.New(`"reason" must say why the cases do not pass`)
	}
	if u, err := url.Parse(s.URL); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return errors.New(`"url" must be an address under which the reason is tracked`)
	}
	day, err := time.Parse(time.DateOnly, s.Expires)
	if err != nil {
		return errors.New(`"expires" must be a day such as 2027-01-31`)
	}
	if today.After(day.AddDate(0, 0, 1)) {
		return fmt.Errorf("it expired on %s", s.Expires)
	}
	return nil
}

func (s Skip) matches(name string) bool {
	ok, _ := path.Match(s.Cases, name)
	return ok
}
