#!/bin/sh
cat /usr/share/acme/words
