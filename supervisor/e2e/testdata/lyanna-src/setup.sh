#!/bin/sh
# Makes the database anew, with the administrator as its only user.
python manage.py initdb
python manage.py adduser --name admin --password admin123 --email admin@admin.com
