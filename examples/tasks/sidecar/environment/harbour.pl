# Tells everyone who connects to port 7000 one line.
use strict;
use warnings;
use IO::Socket::INET;

my $server = IO::Socket::INET->new(LocalPort => 7000, Listen => 5, ReuseAddr => 1) or die "port 7000: $!";
while (my $visitor = $server->accept()) {
    print $visitor "safe anchorage\n";
    close $visitor;
}
