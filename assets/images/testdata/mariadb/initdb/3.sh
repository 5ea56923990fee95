#!/bin/sh
exec mysql -uroot -p"$MARIADB_ROOT_PASSWORD" -e "INSERT INTO d.made VALUES (3)"
