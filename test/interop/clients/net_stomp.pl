# Net::Stomp against a server: net_stomp.pl PORT. Prints one line a fact, 1..N at the end.
use strict;
use warnings;
use Net::Stomp;

my ($port) = @ARGV;
my $facts = 0;
$| = 1;

sub check {
    my ( $holds, $fact, $got ) = @_;
    $facts++;
    my $detail = $holds ? '' : ', got ' . ( $got // 'nothing' );
    print( ( $holds ? 'ok' : 'not ok' ) . " - Net::Stomp: $fact$detail\n" );
}

sub client {
    my (%headers) = @_;
    my $stomp = Net::Stomp->new( { hostname => '127.0.0.1', port => $port, timeout => 8, receipt_timeout => 8 } );
    my $connected = $stomp->connect( {%headers} );
    return ( $stomp, $connected );
}

my ( $stomp, $connected ) = client( login => 'hello', passcode => 'there' );
check( $connected->command eq 'CONNECTED', 'connects', $connected->command );
my $session = $stomp->session_id;
check( defined $session && $session =~ /\A[A-Za-z0-9_.-]+\z/, 'the session id needs no escapes', $session );

# 1.0 knows no escapes at all, so the receipt id, made of the session id, has to come back octet for octet.
my $receipt;
my $sent = $stomp->send_with_receipt( { destination => '/topic/net.stomp', body => 'x' }, $receipt );
check( $sent, 'send_with_receipt gets the receipt it compares raw', $receipt && $receipt->as_string );

$stomp->subscribe( { destination => '/queue/net.stomp', ack => 'client' } );
# BEGIN, SEND with receipt and transaction, the wait for RECEIPT, then COMMIT.
check( $stomp->send_transactional( { destination => '/queue/net.stomp', body => 'in a transaction', kind => 'tx' } ),
    'send_transactional gets its receipt before COMMIT' );
my $frame = $stomp->receive_frame( { timeout => 8 } );
check( $frame && $frame->command eq 'MESSAGE' && $frame->body eq 'in a transaction', 'and the message after it', $frame && $frame->as_string );
check( $frame && $frame->headers->{kind} eq 'tx', 'with its headers' );
check( $frame && !defined $frame->headers->{subscription}, 'a subscription without id has no subscription header' );

# ACK of 1.0: message-id alone.
$stomp->ack( { frame => $frame } );
check( $stomp->send_with_receipt( { destination => '/topic/net.stomp', body => 'x' } ), 'ACK without subscription is accepted' );

my $octets = join '', map { chr } 0 .. 255;
$stomp->send( { destination => '/queue/net.stomp', body => $octets, bytes_message => 1 } );
my $binary = $stomp->receive_frame( { timeout => 8 } );
check( $binary && $binary->body eq $octets, 'a body of all octet values arrives unchanged' );
# Not acknowledged: it has to go to the next consumer.
$stomp->unsubscribe( { destination => '/queue/net.stomp' } );
check( $stomp->send_with_receipt( { destination => '/topic/net.stomp', body => 'x' } ), 'UNSUBSCRIBE by destination is accepted' );
$stomp->disconnect;

my ($heir) = client();
$heir->subscribe( { destination => '/queue/net.stomp', id => 'heir', ack => 'client' } );
my $again = $heir->receive_frame( { timeout => 8 } );
check( $again && $again->body eq $octets && $again->headers->{redelivered} eq 'true', 'what was not acknowledged goes to the next' );
check( $again && $again->headers->{subscription} eq 'heir', 'with the id of that subscription' );
$heir->ack( { frame => $again } );
check( $heir->send_with_receipt( { destination => '/topic/net.stomp', body => 'x' } ), 'and can be acknowledged there' );
$heir->disconnect;

# The library speaks 1.1 and 1.2 when told to, as far as headers without escapes go.
my ( $newer, $version ) = client( 'accept-version' => '1.1', host => '127.0.0.1' );
check( $version->headers->{version} eq '1.1', 'negotiates 1.1 when asked to', $version->headers->{version} );
$newer->subscribe( { destination => '/queue/net.stomp.newer', id => 'newer', ack => 'client-individual' } );
$newer->send( { destination => '/queue/net.stomp.newer', body => 'hot potato' } );
my $potato = $newer->receive_frame( { timeout => 8 } );
$newer->nack( { frame => $potato, subscription => 'newer' } );
my $hot = $newer->receive_frame( { timeout => 8 } );
check( $hot && $hot->body eq 'hot potato' && $hot->headers->{redelivered} eq 'true', 'NACK on 1.1 brings the message again' );
$newer->disconnect;
print "1..$facts\n";
