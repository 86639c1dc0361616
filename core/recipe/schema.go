package recipe

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// SchemaID is the $id of Schema.
const SchemaID = "https://github.com/seedbed/seedbed/core/recipe/recipe.schema.json"

// Schema returns the JSON schema (draft 2020-12) of recipes, made of the same
// table as the checks of Parse. It holds for one field at a time: what must
// hold between fields, such as that train.grain divides train.batch_size, only
// Parse checks.
func Schema() []byte {
	var b bytes.Buffer
	b.WriteString(`{"$schema":"https://json-schema.org/draft/2020-12/schema","$id":"` + SchemaID + `","title":"Seedbed recipe","type":"object","additionalProperties":false,"properties":{`)
	for i, key := range keysOf("") {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(appendString(nil, key))
		b.WriteByte(':')
		if !isSection(key) {
			fieldAt(key).schema(&b)
			continue
		}
		b.WriteString(`{"type":"object","additionalProperties":false,"description":`)
		b.Write(appendString(nil, sectionDoc(key)))
		b.WriteString(`,"properties":{`)
		for j, name := range keysOf(key) {
			if j > 0 {
				b.WriteByte(',')
			}
			b.Write(appendString(nil, name))
			b.WriteByte(':')
			fieldAt(child(key, name)).schema(&b)
		}
		b.WriteString("}}")
	}
	b.WriteString("}}")
	var indented bytes.Buffer
	if err := json.Indent(&indented, b.Bytes(), "", "  "); err != nil {
		return b.Bytes() // not JSON: its test fails
	}
	indented.WriteByte('\n')
	return indented.Bytes()
}

// schema writes the schema of a field.
func (f *field) schema(b *bytes.Buffer) {
	doc := f.doc
	if f.zero != "" {
		doc += " 0: " + f.zero + "."
	}
	b.WriteString(`{"description":`)
	b.Write(appendString(nil, doc))
	b.WriteString(`,"default":`)
	b.WriteString(f.defaultJSON())
	b.WriteByte(',')
	lo, hi := "minimum", "maximum"
	if f.openMin {
		lo = "exclusiveMinimum"
	}
	if f.openMax {
		hi = "exclusiveMaximum"
	}
	span := fmt.Sprintf(`"%s":%s,"%s":%s`, lo, f.min, hi, f.max)
	switch f.kind {
	case integer, number:
		b.WriteString(`"type":"` + map[kind]string{integer: "integer", number: "number"}[f.kind] + `",`)
		if f.zero != "" && !f.inRange(0) {
			b.WriteString(`"anyOf":[{` + span + `},{"const":0}]`)
		} else {
			b.WriteString(span)
		}
	case pair:
		b.WriteString(`"type":"array","minItems":2,"maxItems":2,"items":{"type":"number",` + span + `}`)
	case boolean:
		b.WriteString(`"type":"boolean"`)
	case words:
		b.WriteString(`"enum":["` + strings.Join(f.choices, `","`) + `"]`)
	case text:
		b.WriteString(f.textSchema())
	case texts:
		fmt.Fprintf(b, `"type":"array","maxItems":%d,"items":{%s}`, maxListLength, f.textSchema())
	case objectives:
		fmt.Fprintf(b, `"type":"array","maxItems":%d,"items":{"type":"object","additionalProperties":false,"required":["plugin"],"properties":{`, maxObjectives)
		for i, name := range []string{"plugin", "config", "weight"} {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(`"` + name + `":`)
			fieldAt("objective." + name).schema(b)
		}
		b.WriteString("}}")
	case config:
		b.WriteString(`"type":"object"`)
	}
	b.WriteByte('}')
}

// textSchema bounds strings. JSON schema counts characters and Parse bytes,
// which are no fewer.
func (f *field) textSchema() string {
	least := 0
	if f.nonEmpty {
		least = 1
	}
	return fmt.Sprintf(`"type":"string","minLength":%d,"maxLength":%d,"pattern":"^[^\\x00-\\x1f\\x7f-\\x9f]*$"`, least, maxTextBytes)
}

// defaultJSON returns the default as JSON.
func (f *field) defaultJSON() string {
	d := zero()
	if s, ok := f.ptr(&d).(*string); ok {
		return string(appendString(nil, *s))
	}
	return f.defaultText()
}
