// What real Go says to the templates of templates.json, whose "output" or "error" it fills in:
//
//	go run go_templates.go <templates.json >new.json
package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"strings"
	"text/template"
)

type example struct {
	Template string `json:"template"`
	Missing  string `json:"missing,omitempty"`
	Output   string `json:"output,omitempty"`
	Error    string `json:"error,omitempty"`
}

type examples struct {
	Data  any       `json:"data"`
	Cases []example `json:"cases"`
}

// Docker's functions (docker/cli, templates/templates.go).
var functions = template.FuncMap{
	"json": func(value any) string {
		text := &bytes.Buffer{}
		encoder := json.NewEncoder(text)
		encoder.SetEscapeHTML(false)
		encoder.Encode(value)
		return strings.TrimSpace(text.String())
	},
	"split": strings.Split, "join": strings.Join, "title": strings.Title, "lower": strings.ToLower, "upper": strings.ToUpper,
	"pad": func(source string, before, after int) string {
		if source == "" {
			return source
		}
		return strings.Repeat(" ", before) + source + strings.Repeat(" ", after)
	},
	"truncate": func(source string, length int) string {
		if len(source) < length {
			return source
		}
		return source[:length]
	},
}

// Numbers without a point become int.
func typed(value any) any {
	switch value := value.(type) {
	case map[string]any:
		for key, member := range value {
			value[key] = typed(member)
		}
	case []any:
		for i, element := range value {
			value[i] = typed(element)
		}
	case json.Number:
		if number, err := value.Int64(); err == nil {
			return int(number)
		}
		number, _ := value.Float64()
		return number
	}
	return value
}

func main() {
	text, _ := io.ReadAll(os.Stdin)
	var all, plain examples
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&all); err != nil {
		panic(err)
	}
	json.Unmarshal(text, &plain)
	data := typed(all.Data)
	for i := range all.Cases {
		one := &all.Cases[i]
		one.Output, one.Error = "", ""
		parsed, err := template.New("").Funcs(functions).Parse(one.Template)
		if err == nil && one.Missing != "" {
			parsed = parsed.Option("missingkey=" + one.Missing)
		}
		output := &bytes.Buffer{}
		if err == nil {
			err = parsed.Execute(output, data)
		}
		if err != nil {
			one.Error = err.Error()
		} else {
			one.Output = output.String()
		}
	}
	all.Data = plain.Data
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", " ")
	encoder.Encode(all)
}
