package enginefake

import (
	"encoding/json"
	"strings"
)

// change applies one line of a Dockerfile to an image's configuration.
func (i *Image) change(line string) error {
	key, value, _ := strings.Cut(line, " ")
	switch strings.ToUpper(key) {
	case "LABEL":
		if i.Labels == nil {
			i.Labels = map[string]string{}
		}
		k, v, _ := strings.Cut(value, "=")
		i.Labels[unquote(k)] = unquote(v)
	case "ENV":
		k, v, _ := strings.Cut(value, "=")
		i.Env = append(i.Env, k+"="+unquote(v))
	case "USER":
		i.User = value
	case "WORKDIR":
		i.WorkingDir = value
	case "ENTRYPOINT":
		return json.Unmarshal([]byte(value), &i.Entrypoint)
	case "CMD":
		return json.Unmarshal([]byte(value), &i.Cmd)
	default:
		return errInvalid("%s is not a valid change command", strings.ToLower(key))
	}
	return nil
}

func unquote(s string) string { return strings.Trim(s, `"`) }
