package checkpoint

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/seedbed/seedbed/abi/ir"
)

// FormatVersion is the version of the folder's layout and of manifest.json that this package writes, and the newest it reads.
const FormatVersion = 1

// Names of the files that every checkpoint has.
const (
	ModelFile     = "model.safetensors"
	OptimizerFile = "optimizer.safetensors"
	manifestFile  = "manifest.json"
	manifestSum   = "manifest.sha256"
)

// Bounds on what a manifest may hold, so that a file from outside cannot ask for absurd sizes.
const (
	maxManifest = 16 << 20 // bytes of manifest.json
	maxRecipe   = 1 << 20  // bytes of the recipe
	maxText     = 4096     // bytes of a name, a version, a path
	maxEntries  = 4096     // files, plugins, scalars
	maxFileSize = 1 << 50  // bytes of a file
)

// Errors that callers tell apart.
var (
	// ErrDamaged is wrapped where a checkpoint is not what its manifest says: files are missing, cut short or changed.
	ErrDamaged = errors.New("the checkpoint is damaged; restore the folder or use another checkpoint")
	// ErrNewer is wrapped where a checkpoint has a newer format than this program knows.
	ErrNewer = errors.New("the checkpoint was written by a newer version of this program; upgrade to read it")
	// ErrNone is returned by Latest where a folder holds no valid checkpoint.
	ErrNone = errors.New("no valid checkpoint")
)

// Manifest says what is in a checkpoint.
type Manifest struct {
	FormatVersion int        `json:"format_version"`
	Step          uint64     `json:"step"`    // optimizer steps taken
	Samples       uint64     `json:"samples"` // samples consumed: the data position
	ABI           string     `json:"abi"`     // version of the kernel ABI, such as "1.0"
	Recipe        string     `json:"recipe"`  // text of the recipe of the run
	Scalars       []Scalar   `json:"optimizer_scalars"`
	Plugins       []Plugin   `json:"plugins"`
	WeightsSHA256 string     `json:"weights_sha256"` // see WeightsSHA256
	Files         []FileInfo `json:"files"`          // all but the manifest, sorted by name
}

// Plugin names a plugin that the run used.
type Plugin struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	SHA256  string `json:"sha256"` // of its executable, 64 lower-case hex digits
}

// FileInfo is a file of a checkpoint.
type FileInfo struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"` // bytes
	SHA256 string `json:"sha256"`
}

// Scalar is a number of the optimizer's state, kept as bits: f32 and f64 by their IEEE-754 encoding, others by two's complement.
type Scalar struct {
	Name  string
	DType ir.DType
	Bits  uint64 // the lowest DType.Size() bytes
}

type scalarJSON struct {
	Name  string `json:"name"`
	DType string `json:"dtype"`
	Bits  string `json:"bits"` // hex, two digits per byte, most significant first
}

// MarshalJSON writes the bits in hex, because JSON numbers do not keep them.
func (s Scalar) MarshalJSON() ([]byte, error) {
	return json.Marshal(scalarJSON{s.Name, s.DType.String(), fmt.Sprintf("%0*x", 2*s.DType.Size(), s.Bits)})
}

// UnmarshalJSON reads what MarshalJSON writes and nothing else.
func (s *Scalar) UnmarshalJSON(b []byte) error {
	var j scalarJSON
	if err := decodeStrict(b, &j); err != nil {
		return err
	}
	d, err := ir.ParseDType(j.DType)
	if err != nil {
		return fmt.Errorf("optimizer scalar %q: %w", j.Name, err)
	}
	bits, err := strconv.ParseUint(j.Bits, 16, 8*d.Size())
	if err != nil || len(j.Bits) != 2*d.Size() {
		return fmt.Errorf("optimizer scalar %q: bits %q are not %d hex digits", j.Name, j.Bits, 2*d.Size())
	}
	*s = Scalar{j.Name, d, bits}
	return nil
}

func (m *Manifest) encode() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(m); err != nil {
		return nil, err
	}
	if b.Len() > maxManifest {
		return nil, fmt.Errorf("the manifest has %d bytes, the limit is %d; shorten the recipe or save fewer files", b.Len(), maxManifest)
	}
	return b.Bytes(), nil
}

// parseManifest reads and checks a manifest. It is strict: unknown, repeated and misspelt keys are errors.
func parseManifest(b []byte) (*Manifest, error) {
	if len(b) > maxManifest {
		return nil, fmt.Errorf("%w: %s has %d bytes, the limit is %d", ErrDamaged, manifestFile, len(b), maxManifest)
	}
	// The version comes first, and alone: the rest of a newer manifest means nothing to us.
	var version struct {
		FormatVersion int64 `json:"format_version"`
	}
	if err := json.Unmarshal(b, &version); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrDamaged, manifestFile, err)
	}
	if version.FormatVersion > FormatVersion {
		return nil, fmt.Errorf("%w: format version %d, this program knows up to %d", ErrNewer, version.FormatVersion, FormatVersion)
	}
	m := &Manifest{}
	err := checkKeys(b)
	if err == nil {
		err = decodeStrict(b, m)
	}
	if err == nil {
		err = m.check()
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrDamaged, manifestFile, err)
	}
	return m, nil
}

func decodeStrict(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("expected nothing after the object")
	}
	return nil
}

var keyPattern = regexp.MustCompile(`^[a-z0-9_]+$`)

// checkKeys refuses what encoding/json lets pass: keys given twice, keys that differ in case, and bad UTF-8.
func checkKeys(b []byte) error {
	if !utf8.Valid(b) {
		return errors.New("the text is not UTF-8")
	}
	type level struct {
		keys   map[string]bool // nil in an array
		expect bool            // a key comes next
	}
	var stack []level
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	for {
		token, err := d.Token()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		top := len(stack) - 1
		if delim, ok := token.(json.Delim); ok && (delim == '}' || delim == ']') {
			stack = stack[:top]
			continue
		}
		if top >= 0 && stack[top].keys != nil {
			if stack[top].expect {
				key := token.(string)
				if !keyPattern.MatchString(key) {
					return fmt.Errorf("unknown key %q", key)
				}
				if stack[top].keys[key] {
					return fmt.Errorf("key %q is given twice", key)
				}
				stack[top].keys[key] = true
				stack[top].expect = false
				continue
			}
			stack[top].expect = true
		}
		switch token {
		case json.Delim('{'):
			stack = append(stack, level{map[string]bool{}, true})
		case json.Delim('['):
			stack = append(stack, level{})
		}
		if len(stack) > 8 {
			return errors.New("nested too deep")
		}
	}
}

// check holds for what is saved and for what is read.
func (m *Manifest) check() error {
	if m.FormatVersion < 1 {
		return fmt.Errorf("format_version is %d; the first is 1", m.FormatVersion)
	}
	if err := checkText("abi", m.ABI); err != nil {
		return err
	}
	if len(m.Recipe) > maxRecipe || !utf8.ValidString(m.Recipe) {
		return fmt.Errorf("the recipe has %d bytes; it must be UTF-8 and at most %d bytes", len(m.Recipe), maxRecipe)
	}
	if n := max(len(m.Scalars), len(m.Plugins), len(m.Files)); n > maxEntries {
		return fmt.Errorf("a list has %d entries, the limit is %d", n, maxEntries)
	}
	scalars := map[string]bool{}
	for _, s := range m.Scalars {
		if err := checkText("name of an optimizer scalar", s.Name); err != nil {
			return err
		}
		if scalars[s.Name] {
			return fmt.Errorf("optimizer scalar %q is given twice", s.Name)
		}
		scalars[s.Name] = true
		if !s.DType.Valid() || s.DType.Size() < 8 && s.Bits>>(8*s.DType.Size()) != 0 {
			return fmt.Errorf("optimizer scalar %q: bits %#x do not fit %v", s.Name, s.Bits, s.DType)
		}
	}
	plugins := map[string]bool{}
	for _, p := range m.Plugins {
		if err := errors.Join(checkText("name of a plugin", p.Name), checkText("version of plugin "+p.Name, p.Version), checkHash("plugin "+p.Name, p.SHA256)); err != nil {
			return err
		}
		if plugins[p.Name] {
			return fmt.Errorf("plugin %q is given twice", p.Name)
		}
		plugins[p.Name] = true
	}
	if err := checkHash("weights_sha256", m.WeightsSHA256); err != nil {
		return err
	}
	return m.checkFiles()
}

func (m *Manifest) checkFiles() error {
	seen := map[string]bool{manifestFile: true, manifestSum: true}
	for i, f := range m.Files {
		if err := checkFileName(f.Name); err != nil {
			return err
		}
		// Folded, because some file systems take names that differ in case for one.
		if seen[strings.ToLower(f.Name)] {
			return fmt.Errorf("file name %q is reserved or given twice", f.Name)
		}
		seen[strings.ToLower(f.Name)] = true
		if i > 0 && m.Files[i-1].Name > f.Name {
			return fmt.Errorf("file %q is out of order", f.Name)
		}
		if f.Size < 0 || f.Size > maxFileSize {
			return fmt.Errorf("file %q: size %d is not within 0 and %d", f.Name, f.Size, int64(maxFileSize))
		}
		if err := checkHash("file "+f.Name, f.SHA256); err != nil {
			return err
		}
	}
	for _, name := range []string{ModelFile, OptimizerFile} {
		if _, ok := m.file(name); !ok {
			return fmt.Errorf("file %q is not listed", name)
		}
	}
	return nil
}

func (m *Manifest) file(name string) (FileInfo, bool) {
	i := slices.IndexFunc(m.Files, func(f FileInfo) bool { return f.Name == name })
	if i < 0 {
		return FileInfo{}, false
	}
	return m.Files[i], true
}

func checkText(what, s string) error {
	if s == "" || len(s) > maxText || !utf8.ValidString(s) {
		return fmt.Errorf("%s: %.80q must be UTF-8 of 1 to %d bytes", what, s, maxText)
	}
	return nil
}

func checkHash(what, s string) error {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != 32 || strings.ToLower(s) != s {
		return fmt.Errorf("%s: SHA-256 %.80q is not 64 lower-case hex digits", what, s)
	}
	return nil
}

var (
	fileNamePattern = regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}$`)
	deviceNames     = regexp.MustCompile(`(?i)^(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)`)
)

// checkFileName lets through names that stay in the folder and mean the same on every system.
func checkFileName(name string) error {
	if !fileNamePattern.MatchString(name) || strings.HasSuffix(name, ".") || deviceNames.MatchString(name) {
		return fmt.Errorf("file name %.80q is refused; use letters, digits, '.', '_' and '-', no path and no leading dot", name)
	}
	return nil
}

var stepPattern = regexp.MustCompile(`^step-([0-9]{8,20})$`)

// FolderName returns the name of the folder of a checkpoint: step- and at least eight digits.
func FolderName(step uint64) string { return fmt.Sprintf("step-%08d", step) }

// parseFolderName is the inverse of FolderName.
func parseFolderName(name string) (uint64, bool) {
	match := stepPattern.FindStringSubmatch(name)
	if match == nil {
		return 0, false
	}
	step, err := strconv.ParseUint(match[1], 10, 64)
	return step, err == nil && FolderName(step) == name
}
