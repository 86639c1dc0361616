package samples

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/seedbed/seedbed/abi/vision"
)

// Config says which rows to make of which files. Zero values are the defaults.
type Config struct {
	// Paths are files of one format, or one folder. The rows of several files follow each other in the order given, with two
	// exceptions: IDX takes the images and then the labels, and lines takes one file for each text column.
	Paths []string `json:"paths" yaml:"paths"`

	// Format is folder, zip, tar, idx, csv, tsv, jsonl, parquet, arrow or lines; by default what the first path's name says (a
	// folder is folder). Any file but zip, parquet and arrow may be compressed (.gz, .zst); it is then unpacked in memory.
	Format string `json:"format,omitempty" yaml:"format,omitempty"`

	// Image, Label and Text name the columns of CSV, TSV, JSON lines, Parquet and Arrow that hold these; without a header, columns are
	// called 1, 2, .... Several text columns are joined by a space. An image is binary, or the path of a file below the folder of the
	// table. In folders and archives Label is "folder" (the class is the folder that holds the file), "cls" (a file of that
	// extension) or "none"; the default is "folder" for folders and zip files without captions, and otherwise "cls" where there are such files.
	Image string   `json:"image,omitempty" yaml:"image,omitempty"`
	Label string   `json:"label,omitempty" yaml:"label,omitempty"`
	Text  []string `json:"text,omitempty" yaml:"text,omitempty"`

	// TextB names the columns of the second text of a pair; they are joined as those of Text are. The files of lines are such pairs
	// by themselves.
	TextB []string `json:"text_b,omitempty" yaml:"text_b,omitempty"`

	// Header says whether CSV and TSV begin with the names of columns.
	Header bool `json:"header,omitempty" yaml:"header,omitempty"`

	// Classes is the class list: a label is one of these names, or a number, counted from FirstLabel. Without a list, classes are the
	// labels that occur, numbers in their order, and otherwise names in byte order.
	Classes    []string `json:"classes,omitempty" yaml:"classes,omitempty"`
	FirstLabel int      `json:"first_label,omitempty" yaml:"first_label,omitempty"`

	// OnBadSample is "stop" (the default: the first bad sample is an error) or "skip" (bad samples are left out and counted).
	OnBadSample string `json:"on_bad_sample,omitempty" yaml:"on_bad_sample,omitempty"`

	// Check is "header" (the default: an image's format and size are read) or "full" (it is decoded).
	Check string `json:"check,omitempty" yaml:"check,omitempty"`

	// MaxPixels bounds an image; default vision.DefaultMaxPixels.
	MaxPixels int `json:"max_pixels,omitempty" yaml:"max_pixels,omitempty"`

	// MinSide is the least that an image's width and height may be, in pixels; default 0.
	MinSide int `json:"min_side,omitempty" yaml:"min_side,omitempty"`

	// CacheDir keeps what reading all rows found; default "seedbed/samples" in the user's cache folder; "none" keeps nothing.
	CacheDir string `json:"-" yaml:"cache_dir,omitempty"`
}

// Bounds of what is read from outside.
const (
	maxMember   = 256 << 20 // bytes of one file in an archive, or of one row of a table
	maxUnpacked = 4 << 30   // bytes of a compressed file
	maxRows     = 1 << 31
	maxClasses  = 1 << 20
)

var formats = []string{"folder", "zip", "tar", "idx", "csv", "tsv", "jsonl", "parquet", "arrow", "lines"}

func (c Config) withDefaults() (Config, error) {
	if len(c.Paths) == 0 {
		return c, fmt.Errorf("paths: name a file or a folder")
	}
	if c.Format == "" {
		c.Format = guessFormat(c.Paths[0])
	}
	if !slices.Contains(formats, c.Format) {
		if _, err := os.Stat(c.Paths[0]); err != nil {
			return c, fmt.Errorf("paths: %w", err)
		}
		if c.Format == "" {
			return c, fmt.Errorf("format: the name %s does not say it: set format to one of %s", c.Paths[0], strings.Join(formats, ", "))
		}
		return c, fmt.Errorf("format: %q is not one of %s", c.Format, strings.Join(formats, ", "))
	}
	if c.OnBadSample == "" {
		c.OnBadSample = "stop"
	}
	if c.OnBadSample != "stop" && c.OnBadSample != "skip" {
		return c, fmt.Errorf("on_bad_sample: %q is not stop or skip", c.OnBadSample)
	}
	if c.Check == "" {
		c.Check = "header"
	}
	if c.Check != "header" && c.Check != "full" {
		return c, fmt.Errorf("check: %q is not header or full", c.Check)
	}
	if c.MaxPixels == 0 {
		c.MaxPixels = vision.DefaultMaxPixels
	}
	if c.MaxPixels < 1 {
		return c, fmt.Errorf("max_pixels: %d is not positive", c.MaxPixels)
	}
	if c.MinSide < 0 {
		return c, fmt.Errorf("min_side: %d is negative", c.MinSide)
	}
	if len(c.Classes) > maxClasses {
		return c, fmt.Errorf("classes: more than %d", maxClasses)
	}
	seen := map[string]bool{}
	for _, name := range c.Classes {
		if seen[name] {
			return c, fmt.Errorf("classes: %q twice", name)
		}
		seen[name] = true
	}
	if c.CacheDir == "" {
		dir, err := os.UserCacheDir()
		if err != nil {
			return c, fmt.Errorf("cache_dir: no cache folder is known here: name one, or none: %w", err)
		}
		c.CacheDir = filepath.Join(dir, "seedbed", "samples")
	}
	return c, nil
}

// guessFormat tells the format by a name, or "".
func guessFormat(path string) string {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return "folder"
	}
	name := strings.ToLower(filepath.Base(path))
	for _, packed := range []string{".gz", ".zst"} {
		name = strings.TrimSuffix(name, packed)
	}
	switch ext := filepath.Ext(name); {
	case ext == ".zip" || ext == ".tar" || ext == ".csv" || ext == ".tsv" || ext == ".jsonl" || ext == ".parquet" || ext == ".arrow":
		return ext[1:]
	case ext == ".tgz":
		return "tar"
	case ext == ".feather":
		return "arrow"
	case strings.Contains(name, "-idx") || ext == ".idx":
		return "idx"
	}
	return ""
}
