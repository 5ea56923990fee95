package main

import (
	"cmp"
	"net/url"
)

// known products' ports: the scheme of their URLs, and where their images find user, password and database in the environment.
var products = map[int32]struct {
	scheme                   string
	user, password, database []string
	// root is the user whose password is in the last of password.
	root string
}{
	5432:  {scheme: "postgres", user: []string{"POSTGRES_USER"}, password: []string{"POSTGRES_PASSWORD"}, database: []string{"POSTGRES_DB", "POSTGRES_USER"}, root: "postgres"},
	3306:  {scheme: "mysql", user: []string{"MARIADB_USER", "MYSQL_USER"}, password: []string{"MARIADB_PASSWORD", "MYSQL_PASSWORD", "MARIADB_ROOT_PASSWORD", "MYSQL_ROOT_PASSWORD"}, database: []string{"MARIADB_DATABASE", "MYSQL_DATABASE"}, root: "root"},
	6379:  {scheme: "redis", password: []string{"REDIS_PASSWORD"}},
	27017: {scheme: "mongodb", user: []string{"MONGO_INITDB_ROOT_USERNAME"}, password: []string{"MONGO_INITDB_ROOT_PASSWORD"}},
	5672:  {scheme: "amqp", user: []string{"RABBITMQ_DEFAULT_USER"}, password: []string{"RABBITMQ_DEFAULT_PASS"}},
	443:   {scheme: "https"},
	8443:  {scheme: "https"},
	11211: {scheme: "memcached"},
	4222:  {scheme: "nats"},
}

// connectionURL is the URL of a forwarded port: that of the product whose usual port it is, else http. Without secrets, PASSWORD stands
// for the password.
func connectionURL(at string, port int32, env map[string]string, secrets bool) string {
	product, known := products[port]
	if !known {
		return "http://" + at
	}
	first := func(names []string) string {
		for _, n := range names {
			if env[n] != "" {
				return env[n]
			}
		}
		return ""
	}
	u := url.URL{Scheme: product.scheme, Host: at}
	user, password := first(product.user), first(product.password)
	if password != "" {
		user = cmp.Or(user, product.root)
	}
	if user != "" || password != "" {
		u.User = url.User(user)
	}
	if database := first(product.database); database != "" {
		u.Path = "/" + database
	}
	switch {
	case password == "":
		return u.String()
	case secrets:
		u.User = url.UserPassword(user, password)
		return u.String()
	}
	u.User = url.UserPassword(user, "PASSWORD")
	return u.String()
}
